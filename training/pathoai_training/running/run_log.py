"""Figures of a run, in files of its folder; nothing is sent anywhere and no picture is kept.

A log goes on where the checkpoint was made: what a killed run wrote after it is written again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import pytorch_lightning as pl
import torch

from pathoai.errors import MissingDependencyError
from pathoai.progress import Advance, ProgressBar

_EVERY_STEPS = 10


class RunLog(Protocol):
    """Where figures go."""

    def begin(self, step: int, position: int) -> None:
        """Start, or go on.

        Args:
            step: Steps done.
            position: What :meth:`write` returned last before the checkpoint; 0 at the start.
        """

    def write(self, step: int, figures: Mapping[str, float]) -> int:
        """Keep figures of a step; returns how far the log is, for the checkpoint."""

    def end(self) -> None:
        """Close files."""


class CsvLog:
    """``metrics.csv``: step, metric, value, one a row, so that rows are only ever added."""

    def __init__(self, folder: Path) -> None:
        """Of the run."""
        self._path = folder / "metrics.csv"

    def begin(self, step: int, position: int) -> None:
        """Drop what was written after the checkpoint."""
        if position and self._path.is_file():
            os.truncate(self._path, min(position, self._path.stat().st_size))
        else:
            self._path.write_bytes(b"step,metric,value\n")

    def write(self, step: int, figures: Mapping[str, float]) -> int:
        """Add a row for each figure; returns the file's size."""
        rows = "".join(f"{step},{name},{value:.9g}\n" for name, value in figures.items())
        with self._path.open("ab") as file:
            file.write(rows.encode())
            return file.tell()

    def end(self) -> None:
        """Nothing is open."""


class TensorBoardLog:
    """Event files in ``tensorboard/``, whose reader drops what was written after a checkpoint.

    Written record by record: TensorBoard's own writer names its files after the machine.
    """

    def __init__(self, folder: Path) -> None:
        """Of the run.

        Raises:
            MissingDependencyError: TensorBoard is not installed.
        """
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        self._folder = folder / "tensorboard"
        self._event, self._session, self._summary = Event, SessionLog, Summary
        self._open: Callable[..., Any] = RecordWriter
        self._records: Any = None

    def begin(self, step: int, position: int) -> None:
        """Open a file of its own for this part of the run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        now = f"{time.time():.6f}"
        file = (self._folder / f"events.out.tfevents.{now}").open("xb")
        self._records = self._open(file)
        self._add(file_version="brain.Event:2")
        self._add(session_log=self._session(status=self._session.START), step=step + 1)

    def write(self, step: int, figures: Mapping[str, float]) -> int:
        """Add a scalar for each figure."""
        values = [self._summary.Value(tag=k, simple_value=v) for k, v in figures.items()]
        self._add(summary=self._summary(value=values), step=step)
        return 0

    def end(self) -> None:
        """Close the file."""
        if self._records is not None:
            self._records.close()

    def _add(self, **content: Any) -> None:  # noqa: ANN401 - as protobuf takes them
        event = self._event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._records.flush()


class MlflowLog:
    """A local MLflow store in ``mlflow/``, never a server."""

    def __init__(self, folder: Path) -> None:
        """Of the run.

        Raises:
            MissingDependencyError: MLflow is not installed.
        """
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when it is imported
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise _missing("mlflow") from error
        path = folder / "mlflow"
        path.mkdir(parents=True, exist_ok=True)
        self.client = MlflowClient(tracking_uri=f"sqlite:///{path.resolve()}/mlflow.db")
        self._note = path / "run.txt"
        self._run = ""

    def begin(self, step: int, position: int) -> None:
        """Go on with the run of the checkpoint, or begin another."""
        if position and self._note.is_file():
            self._run = self._note.read_text("utf8").strip()
            return
        known = self.client.get_experiment_by_name("pathoai")
        number = (
            known.experiment_id
            if known
            else self.client.create_experiment("pathoai", artifact_location="none:/nothing-is-kept")
        )
        # MLflow would note who runs which program where.
        nobody = {f"mlflow.{key}": "" for key in ("user", "source.name", "source.type")}
        self._run = self.client.create_run(number, tags=nobody).info.run_id
        self._note.write_text(self._run, "utf8")

    def write(self, step: int, figures: Mapping[str, float]) -> int:
        """Log each figure; those of repeated steps are equal."""
        for name, value in figures.items():
            self.client.log_metric(self._run, name, value, step=step)
        return 1

    def end(self) -> None:
        """Mark the run as finished."""
        self.client.set_terminated(self._run)


_KINDS: Mapping[str, Callable[[Path], RunLog]] = {
    "csv": CsvLog,
    "tensorboard": TensorBoardLog,
    "mlflow": MlflowLog,
}


def open_logs(names: tuple[str, ...], folder: Path) -> dict[str, RunLog]:
    """The logs of a run; nothing is written yet.

    Args:
        names: Of :data:`pathoai_training.recipes.trainer_settings.LOGS`; ``csv`` is always there.
        folder: Of the run.

    Raises:
        MissingDependencyError: One is not installed.
    """
    return {name: _KINDS[name](folder) for name in dict.fromkeys(("csv", *names))}


def _missing(name: str) -> MissingDependencyError:
    return MissingDependencyError(
        "a package is not installed",
        where="trainer.logs",
        found=name,
        remedy=f"pip install {name}, or leave it out of trainer.logs",
    )


class LogFigures(pl.Callback):
    """Writes loss and learning rate every few steps, and what each validation found.

    It stands in for Lightning's loggers, which write a step's figures after its checkpoint, begin
    a new file at each resume, and take longer than the rest of Lightning does (2.6).

    Args:
        logs: Where to; used in the first process only.
        advance: Told of every step; a bar also shows the figures.
    """

    def __init__(self, logs: Mapping[str, RunLog], advance: Advance) -> None:
        """Write nothing yet."""
        self._logs = logs
        self._advance = advance
        self._positions = dict.fromkeys(logs, 0)
        self._shown: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start, or go on."""
        if trainer.is_global_zero:
            for name, log in self._logs.items():
                log.begin(trainer.global_step, self._positions.get(name, 0))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: torch.Tensor | Mapping[str, Any] | None,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Report each step, and write every few."""
        if not trainer.is_global_zero or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if step % _EVERY_STEPS == 0 or step == trainer.max_steps or trainer.is_last_batch:
            # Lightning makes a mapping of what a step returns, and divides the loss among batches.
            loss = float(cast(Mapping[str, Any], outputs)["loss"]) * trainer.accumulate_grad_batches
            rate = float(trainer.optimizers[0].param_groups[0]["lr"])
            logged = trainer.callback_metrics
            parts = {k: float(v) for k, v in logged.items() if k.startswith("train/")}
            self._write(step, parts | {"train/loss": loss, "train/learning_rate": rate})
            self._show(loss=loss)
        self._advance(step, trainer.max_steps)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what was found."""
        if not trainer.is_global_zero:
            return
        logged = trainer.callback_metrics
        figures = {k: float(v) for k, v in logged.items() if not k.startswith("train/")}
        self._write(trainer.global_step, figures)
        self._show(**{key.removeprefix("validation/"): value for key, value in figures.items()})

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the logs, whether training ended, failed or is to leave."""
        if trainer.is_global_zero:
            for log in self._logs.values():
                log.end()

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"positions": self._positions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self._positions |= state_dict["positions"]

    def _write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, log in self._logs.items():
            self._positions[name] = log.write(step, figures)

    def _show(self, **figures: float) -> None:
        self._shown |= figures
        if isinstance(self._advance, ProgressBar):
            self._advance.note(" ".join(f"{k} {v:.3g}" for k, v in self._shown.items()))
