"""The options of ``pathoai train`` about SLURM; light, for ``--help``."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path

from pathoai.errors import InvalidValueError
from pathoai_training.running.slurm_job import SlurmJob, read_job

_OF_JOBS = (
    "nodes",
    "gpus_per_node",
    "cpus_per_task",
    "memory",
    "time",
    "partition",
    "account",
    "requeue",
)


def add_slurm_options(parser: ArgumentParser) -> None:
    """Add ``--cluster`` and what a job asks for."""
    group = parser.add_argument_group(
        "cluster", "without --cluster, training runs in this process, on --device"
    )
    group.add_argument(
        "--cluster",
        metavar="slurm",
        help="slurm: submit a job that trains with the same options, one process per GPU; it must "
        "see the study under the same path",
    )
    group.add_argument(
        "--cluster-config",
        type=Path,
        metavar="FILE",
        help="settings of the job in YAML, as for the other commands: queue, account, walltime, "
        "cores, memory, job-extra-directives, job-script-prologue; options go before them",
    )
    group.add_argument("--nodes", type=int, metavar="N", help="computers (default: 1)")
    group.add_argument(
        "--gpus-per-node",
        type=int,
        metavar="G",
        help="GPUs of each, one process on each; 0: one process on the CPU (default: 1)",
    )
    group.add_argument("--cpus-per-task", type=int, metavar="C", help="cores of each process")
    group.add_argument("--memory", metavar="SIZE", help="of each computer, e.g. 64GB")
    group.add_argument("--time", metavar="D-HH:MM:SS", help="longest duration, e.g. 12:00:00")
    group.add_argument("--partition", metavar="NAME", help="queue of jobs")
    group.add_argument("--account", metavar="NAME", help="whose budget")
    group.add_argument(
        "--requeue",
        action=BooleanOptionalAction,
        help="go on in a new job when the time is over or the machine is wanted (default: yes)",
    )
    group.add_argument("--dry-run", action="store_true", help="print the job instead of submitting")


def chosen_job(options: Namespace) -> SlurmJob | None:
    """The job that the options ask for; None where training runs here.

    Raises:
        InvalidValueError: The options make no sense.
        MissingFileError: The file of settings does not exist.
    """
    stated = {name: getattr(options, name) for name in _OF_JOBS}
    if options.cluster is None:
        given = [name for name, value in stated.items() if value is not None]
        given += ["dry_run"] if options.dry_run else []
        given += ["cluster_config"] if options.cluster_config is not None else []
        if given:
            raise InvalidValueError(
                "settings of jobs, but no cluster",
                where="--" + given[0].replace("_", "-"),
                remedy="add --cluster slurm",
            )
        return None
    if options.cluster != "slurm":
        raise InvalidValueError(
            "training knows no such cluster",
            where="--cluster",
            found=repr(options.cluster),
            allowed="slurm",
        )
    return read_job(options.cluster_config, stated)
