"""Workers as SLURM jobs."""

from __future__ import annotations

import asyncio
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pathoai.cluster.gpu_workers import job_options
from pathoai.cluster.keep_workers import keep_workers
from pathoai.cluster.sbatch import sbatch
from pathoai.errors import ClusterError, InvalidValueError, MissingFileError

if TYPE_CHECKING:  # importing it writes a commented example into the user's dask configuration
    from dask_jobqueue.slurm import SLURMCluster

_COUNT_JOBS_S = 60
"""How often jobs that have ended are replaced."""
_DEPRECATED = {"extra", "env-extra", "job-extra"}


def slurm_cluster(config: Path | None = None, *, device: str = "cpu") -> SLURMCluster:
    """A scheduler in this process whose workers will be SLURM jobs; none is submitted yet.

    What a job asks for comes from the user's dask configuration (``jobqueue.slurm``, as
    dask-jobqueue documents it) and from the file, which has the same keys and goes first. A job is
    one worker, and so one slide at a time, unless ``processes`` says otherwise.

    Args:
        config: A YAML file, e.g. ``{queue: normal, cores: 8, memory: 32GB, walltime: "12:00:00"}``.
        device: Where workers compute; on ``cuda`` each job asks for a GPU.

    Raises:
        MissingFileError: There is no such file.
        InvalidValueError: It is no mapping of keys that dask-jobqueue knows, or cores or memory
            are stated nowhere.
    """
    import dask.config

    with _interrupts_kept():
        from dask_jobqueue.slurm import SLURMCluster

    known: dict[str, Any] = dask.config.get("jobqueue.slurm")
    stated = {} if config is None else _read(config, set(known) - _DEPRECATED)
    whole = known | stated
    if not (whole["cores"] and whole["memory"]):
        raise InvalidValueError(
            "a SLURM job needs cores and memory",
            where="--cluster-config",
            allowed="e.g. cores: 8 and memory: 32GB",
            remedy="state them in the file, or as jobqueue.slurm in your dask configuration",
        )
    arguments = {key.replace("-", "_"): value for key, value in stated.items() if key != "name"}
    arguments["job_name"] = whole["name"]
    arguments["processes"] = whole["processes"] or 1
    arguments |= job_options(
        device, whole["job-extra-directives"] or (), whole["worker-extra-args"] or ()
    )
    return SLURMCluster(silence_logs="critical", **arguments)


@contextmanager
def slurm_workers(
    count: int, config: Path | None = None, *, device: str = "cpu"
) -> Iterator[SLURMCluster]:
    """A cluster of jobs, replaced whenever one ends, as all do at their walltime.

    Args:
        count: Of jobs.
        config: See :func:`slurm_cluster`.
        device: Likewise.

    Raises:
        ClusterError: This machine cannot submit jobs, or SLURM refuses them.
        MissingFileError: As :func:`slurm_cluster`.
        InvalidValueError: As :func:`slurm_cluster`.
    """
    if shutil.which("sbatch") is None:
        raise ClusterError(
            "SLURM is not here: there is no program sbatch",
            where="--cluster slurm",
            remedy="run this on a login node of the cluster, or use --cluster dask",
        )
    cluster = slurm_cluster(config, device=device)
    try:
        _check_accepted(cluster.job_script())
        _submit(cluster, count)
        yield cluster
    finally:
        # Dask, having cancelled all jobs, insists that each had been submitted with success.
        with suppress(AssertionError):
            cluster.close()


def _check_accepted(script: str) -> None:
    """Ask SLURM whether it would take the job: Dask would submit it, and be silent if not."""
    remedy = "correct the settings of jobs: --cluster-config, or your dask configuration"
    sbatch(script, "--test-only", remedy=remedy)


def _submit(cluster: SLURMCluster, count: int) -> None:
    async def settle() -> None:
        await cluster
        # One that SLURM did not take, e.g. as one too many, is tried again when it is awaited.
        await asyncio.gather(*cluster.workers.values())

    keep_workers(cluster, lambda: cluster.scale(jobs=count), settle, _COUNT_JOBS_S)


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Keep what Ctrl-C does: dask_jobqueue makes it a plain exit, without error, when imported."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _read(path: Path, allowed: set[str]) -> dict[str, Any]:
    where = "--cluster-config"
    if not path.is_file():
        raise MissingFileError("no such file", where=where, found=path.name)
    try:
        stated = yaml.safe_load(path.read_text("utf8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidValueError("not a YAML file", where=where, found=str(error)) from error
    unknown = sorted(map(str, set(stated) - allowed)) if isinstance(stated, dict) else ["no keys"]
    if unknown:
        raise InvalidValueError(
            "unknown settings of SLURM jobs",
            where=where,
            found=", ".join(unknown),
            allowed=", ".join(sorted(allowed)),
        )
    if not isinstance(stated.get("walltime", ""), str):
        # YAML takes 12:00:00 for the number 43200, and SLURM would take that for minutes.
        raise InvalidValueError(
            "walltime is text", where=where, allowed='in quotes, e.g. "12:00:00"'
        )
    return stated
