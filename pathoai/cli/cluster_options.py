"""The options of commands that can run a cohort on a cluster; light, for ``--help``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.errors import InvalidValueError, MissingDependencyError

if TYPE_CHECKING:  # dask is heavy, and an extra
    from pathoai.cluster.connect import ClusterChoice


def add_cluster_options(parser: ArgumentParser) -> None:
    """Add ``--cluster``, ``--cluster-config`` and ``--retries``."""
    group = parser.add_argument_group(
        "cluster", "without --cluster, slides are done on this machine"
    )
    group.add_argument(
        "--cluster",
        metavar="WHERE",
        help="dask: worker processes on this machine, as many as --workers; slurm: as many jobs; "
        "dask://HOST:PORT: the workers of a scheduler that runs already. Each takes one slide at "
        "a time, and all must see the study and the slides under the same paths",
    )
    group.add_argument(
        "--cluster-config",
        type=Path,
        metavar="FILE",
        help="slurm: settings of a job in YAML, e.g. queue, cores, memory, walltime; they go "
        "before those of your dask configuration (jobqueue.slurm). Of predict and features, "
        "--device cuda asks for a GPU if they do not",
    )
    group.add_argument(
        "--retries",
        type=int,
        default=2,
        metavar="N",
        help="new tries of a slide whose worker died or whose disk did not answer (default: 2)",
    )


def chosen_cluster(
    options: Namespace, workers: int, *, device: str = "cpu"
) -> ClusterChoice | None:
    """The cluster that the options name; None where there is none to use.

    Args:
        options: Of the command.
        workers: How many, where they are started for it.
        device: Where the work computes, by name.

    Raises:
        InvalidValueError: The options make no sense.
        MissingDependencyError: Dask is not installed.
    """
    if options.retries < 0:
        raise InvalidValueError("retries", found=options.retries, allowed="0 or more")
    if options.cluster is None:
        if options.cluster_config is not None:
            raise InvalidValueError(
                "settings of jobs, but no cluster",
                where="--cluster-config",
                remedy="add --cluster slurm",
            )
        return None
    try:
        from pathoai.cluster.connect import ClusterChoice
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "a package is not installed",
            where="--cluster",
            found=error.name,
            remedy="pip install 'pathoai[cluster]'",
        ) from error
    return ClusterChoice(options.cluster, workers, options.cluster_config, device)
