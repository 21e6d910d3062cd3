"""Training as a SLURM job: a process per GPU, asked to leave before its end, and begun again."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pathoai.cluster.sbatch import sbatch
from pathoai.errors import ClusterError, InvalidValueError, MissingFileError

JOB_LOG = "slurm-"
"""How the names of jobs' log files begin, in the folder of a run."""
_NOTICE_S = 120
"""How long before its end SLURM asks a job to leave; a checkpoint is written in that time."""
_WORD = re.compile(r"[\w.,:@+=/-]+")
# The keys that the other commands' file of settings has, and what they are called here.
_CONFIG = {
    "queue": "partition",
    "account": "account",
    "walltime": "time",
    "cores": "cpus_per_task",
    "memory": "memory",
    "job-extra-directives": "directives",
    "job-script-prologue": "prologue",
}


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """What a job asks for.

    Args:
        nodes: Computers.
        gpus_per_node: One process each; 0: one process per computer, on its CPU.
        cpus_per_task: Cores of each process, its readers included.
        memory: Per computer, e.g. ``64GB``.
        time: As SLURM writes it, e.g. ``12:00:00``.
        partition: Queue.
        account: Whose budget.
        requeue: Whether SLURM may start the job again.
        directives: Further options of sbatch, e.g. ``--constraint=a100``.
        prologue: Lines of shell before the training, e.g. ``module load cuda``.
    """

    nodes: int = 1
    gpus_per_node: int = 1
    cpus_per_task: int | None = None
    memory: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    requeue: bool = True
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what SLURM would misread."""
        for name, least in (("nodes", 1), ("gpus_per_node", 0), ("cpus_per_task", 1)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= least):
                raise InvalidValueError(_option(name), found=value, allowed=f"{least} or more")
        for name in ("memory", "time", "partition", "account"):
            value = getattr(self, name)
            # YAML takes 12:00:00 for the number 43200, and SLURM would take that for minutes.
            if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
                raise InvalidValueError(
                    _option(name), found=repr(value), allowed="one word of text"
                )
        for line in (*self.directives, *self.prologue):
            if not isinstance(line, str) or "\n" in line:
                raise InvalidValueError("--cluster-config", found=repr(line), allowed="one line")

    @property
    def processes_per_node(self) -> int:
        """One per GPU, or one."""
        return max(1, self.gpus_per_node)

    def overrides(self) -> list[str]:
        """What a recipe's trainer must know of the job."""
        several = self.nodes * self.processes_per_node > 1
        return [
            f"trainer.devices={self.processes_per_node}",
            f"trainer.num_nodes={self.nodes}",
            *(["trainer.strategy=ddp"] if several else []),
        ]

    def script(self, words: Sequence[str], *, name: str, folder: Path, again: bool = False) -> str:
        """The job, for ``sbatch``.

        Args:
            words: After ``pathoai``.
            name: Of the model.
            folder: Of the run; the log file comes there.
            again: Add ``--again``, but not when SLURM starts the job for the second time.
        """
        # SLURM replaces what follows a percent sign.
        log = str(folder.resolve()).replace("%", "%%") + f"/{JOB_LOG}%j.log"
        if '"' in log or "\n" in log:
            raise InvalidValueError("SLURM cannot write to this path", found=repr(folder.name))
        options = [
            f"--job-name=pathoai-{name}",
            f"--nodes={self.nodes}",
            f"--ntasks-per-node={self.processes_per_node}",
            *([f"--gpus-per-node={self.gpus_per_node}"] if self.gpus_per_node else []),
            *([f"--cpus-per-task={self.cpus_per_task}"] if self.cpus_per_task else []),
            *([f"--mem={self.memory}"] if self.memory else []),
            *([f"--time={self.time}"] if self.time else []),
            *([f"--partition={self.partition}"] if self.partition else []),
            *([f"--account={self.account}"] if self.account else []),
            "--requeue" if self.requeue else "--no-requeue",
            "--open-mode=append",
            f"--signal=USR1@{_NOTICE_S}",
            f'--output="{log}"',
            *self.directives,
        ]
        once = ' $([ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] && echo --again)' if again else ""
        command = shlex.join([sys.executable, "-m", "pathoai", *words])
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in options),
            *self.prologue,
            f"srun --kill-on-bad-exit=1 {command}{once}",
        ]
        return "\n".join(lines) + "\n"


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def read_job(config: Path | None, stated: dict[str, Any]) -> SlurmJob:
    """A job from a file of settings and from options, which go first.

    Args:
        config: YAML with the keys queue, account, walltime, cores, memory, job-extra-directives
            and job-script-prologue, as the other commands' file has them.
        stated: Options by the names of :class:`SlurmJob`; None where not given.

    Raises:
        MissingFileError: There is no such file.
        InvalidValueError: It is no mapping of these keys, or a value is wrong.
    """
    found: dict[str, Any] = {} if config is None else _read(config)
    for name in ("directives", "prologue"):
        lines = found.get(name) or []
        found[name] = tuple(lines) if isinstance(lines, list) else (lines,)
    given = {name: value for name, value in stated.items() if value is not None}
    return replace(SlurmJob(), **(found | given))


def _read(path: Path) -> dict[str, Any]:
    where = "--cluster-config"
    if not path.is_file():
        raise MissingFileError("no such file", where=where, found=path.name)
    try:
        stated = yaml.safe_load(path.read_text("utf8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidValueError("not a YAML file", where=where, found=str(error)) from error
    unknown = (
        sorted(map(str, set(stated) - set(_CONFIG))) if isinstance(stated, dict) else ["no keys"]
    )
    if unknown:
        raise InvalidValueError(
            "settings that a training job does not have",
            where=where,
            found=", ".join(unknown),
            allowed=", ".join(sorted(_CONFIG)),
        )
    return {_CONFIG[key]: value for key, value in stated.items()}


def submit(script: str, folder: Path) -> str:
    """Hand a job to SLURM; returns its number.

    Args:
        script: From :meth:`SlurmJob.script`.
        folder: Of the run; made where it is missing, since SLURM does not make it.

    Raises:
        ClusterError: This machine cannot submit jobs, or SLURM refuses this one.
    """
    if shutil.which("sbatch") is None:
        raise ClusterError(
            "SLURM is not here: there is no program sbatch",
            where="--cluster slurm",
            remedy="run this on a login node of the cluster, or look at the job with --dry-run",
        )
    folder.mkdir(parents=True, exist_ok=True)
    remedy = "correct the options of the job: pathoai train --help"
    return sbatch(script, "--parsable", remedy=remedy).split(";")[0]
