"""Where work may run: a cluster made for one run, or one that is there already."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.system import MEMORY_LIMIT

from pathoai import __version__
from pathoai.cluster.gpu_workers import device_options, devices_here
from pathoai.cluster.keep_workers import keep_workers
from pathoai.cluster.slurm import slurm_workers
from pathoai.errors import ClusterError, InvalidValueError

_LOCAL, _SLURM = "dask", "slurm"
_ADDRESS = re.compile(r"(dask|tcp|tls)://[^\s/:]+:\d{1,5}/?")
_CONNECT_S = 10
_LOCAL_PATIENCE_S = 300.0
_COUNT_WORKERS_S = 5.0
"""How often workers of this machine that were given up are replaced."""
_SILENT = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """Which cluster.

    Args:
        where: ``dask``: worker processes on this machine. ``slurm``: jobs, whose settings come
            from the user's dask configuration and ``config``. ``dask://HOST:PORT`` (or ``tcp://``,
            ``tls://``): a scheduler that runs already, and goes on afterwards.
        workers: Processes, or jobs; a scheduler that runs already has its own.
        config: YAML file of settings of SLURM jobs.
        device: Where the work computes: ``cpu``, ``auto`` or ``cuda``; GPUs are dealt to workers.
    """

    where: str
    workers: int = 2
    config: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what names no cluster, before anything is started."""
        if self.where not in (_LOCAL, _SLURM) and not _ADDRESS.fullmatch(self.where):
            raise InvalidValueError(
                "no such cluster",
                where="--cluster",
                found=repr(self.where),
                allowed="dask, slurm, dask://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT",
            )
        if self.workers < 1:
            raise InvalidValueError("workers", found=self.workers, allowed="1 or more")
        if self.config is not None and self.where != _SLURM:
            raise InvalidValueError(
                "only SLURM jobs have settings", where="--cluster-config", allowed="--cluster slurm"
            )

    @property
    def is_on_this_machine(self) -> bool:
        """True where workers see what this process sees, its devices included."""
        return self.where == _LOCAL

    @property
    def patience_s(self) -> float:
        """How long a run may be without workers: queues are long, processes start soon."""
        return _LOCAL_PATIENCE_S if self.is_on_this_machine else math.inf


@contextmanager
def connected(choice: ClusterChoice) -> Iterator[Client]:
    """A client of the cluster; one that was made for it ends with it, however the run ends.

    Raises:
        ClusterError: No scheduler answers at the address, its workers have another pathoai or
            none, or SLURM is not here or refuses the jobs.
        InvalidValueError: The settings of SLURM jobs are wrong or missing.
        MissingFileError: The file of settings does not exist.
    """
    with _quiet_logs():
        if choice.where == _LOCAL:
            with _local_scheduler(choice) as cluster, _client(cluster) as client:
                client.register_plugin(_IgnoreInterrupts())
                _keep(cluster, choice.workers)
                yield client
        elif choice.where == _SLURM:
            jobs = slurm_workers(choice.workers, choice.config, device=choice.device)
            with jobs as cluster, _client(cluster) as client:
                yield client
        else:
            with _joined(choice.where) as client:
                _check_versions(client)
                yield client


def _keep(cluster: LocalCluster, workers: int) -> None:
    async def settle() -> None:
        """Those that are missing are started as soon as they are asked for."""

    keep_workers(cluster, lambda: cluster.scale(workers), settle, _COUNT_WORKERS_S)


class _LocalWorkers(LocalCluster):
    """Workers of this machine, each of which sees one of its GPUs, if it has any."""

    def __init__(self, devices: tuple[str, ...], **settings: Any) -> None:  # noqa: ANN401 - dask's own
        self._devices = devices
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # dask's own

    def _update_worker_status(self, op: str, msg: Any) -> None:  # noqa: ANN401 - dask's own
        # dask stumbles over a worker that is gone before it has heard of it, and raises at the end.
        if op != "remove" or msg in self.scheduler_info["workers"]:
            super()._update_worker_status(op, msg)  # type: ignore[no-untyped-call]  # likewise

    def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
        """Name and settings of the next worker."""
        (name, spec), *_ = super().new_worker_spec().items()  # type: ignore[no-untyped-call]  # likewise
        options = spec["options"] | device_options(len(self.worker_spec), self._devices)
        return {name: spec | {"options": options}}


def _local_scheduler(choice: ClusterChoice) -> LocalCluster:
    """A cluster that still has no workers, whose start can be interrupted without noise."""
    return _LocalWorkers(
        () if choice.device == "cpu" else devices_here(),
        n_workers=0,
        threads_per_worker=max(1, CPU_COUNT // choice.workers),
        memory_limit=MEMORY_LIMIT // choice.workers,
        dashboard_address="127.0.0.1:0",
        # Whoever reaches an open scheduler runs code as its user: others share these machines.
        security=True,
        silence_logs=False if _is_debugging() else _SILENT,
    )


def _client(cluster: object) -> Client:
    return Client(cluster, set_as_default=False)


def _joined(address: str) -> Client:
    try:
        return Client(
            address.replace("dask://", "tcp://").rstrip("/"),
            timeout=_CONNECT_S,
            set_as_default=False,
        )
    except OSError as error:
        raise ClusterError(
            "no scheduler answers",
            where="--cluster",
            found=address,
            remedy="check the address: `dask scheduler` prints it when it starts",
        ) from error


def _check_versions(client: Client) -> None:
    """Refuse workers that would do the work otherwise than this program."""
    found = client.run(_version, on_error="return").values()
    versions = {v if isinstance(v, str) else f"none ({type(v).__name__})" for v in found}
    if others := versions - {__version__}:
        raise ClusterError(
            "workers of the cluster have another pathoai",
            where="--cluster",
            found=", ".join(sorted(others)),
            allowed=__version__,
            remedy="install this version where the workers run, and start them again",
        )


def _version() -> str:
    return __version__


class _IgnoreInterrupts(WorkerPlugin):
    """Ctrl-C in a terminal reaches workers too, but it is this process that ends them."""

    name = "pathoai-ignore-interrupts"

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_debugging() -> bool:
    return bool(os.environ.get("PATHOAI_DEBUG"))


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep the machinery's chatter off the screen; what a person must know is an outcome."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado")]
    before = [logger.level for logger in loggers]
    if not _is_debugging():
        for logger in loggers:
            logger.setLevel(_SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
