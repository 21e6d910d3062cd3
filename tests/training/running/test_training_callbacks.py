"""Averaged weights, early stopping and the figures of a run, each against its definition."""

from __future__ import annotations

import getpass
import math
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from pathoai.errors import MissingDependencyError, RecipeError
from pathoai.progress import silent
from pathoai_training.recipes.trainer_settings import EarlyStopping
from pathoai_training.running.early_stopping import StopEarly
from pathoai_training.running.ema import EmaWeights
from pathoai_training.running.lightning_run import quiet_lightning
from pathoai_training.running.run_log import (
    CsvLog,
    LogFigures,
    MlflowLog,
    TensorBoardLog,
    open_logs,
)


class Line(pl.LightningModule):
    """One weight and one normalisation, whose validation says what it is told to."""

    def __init__(self, scores: Sequence[float] = ()) -> None:
        super().__init__()
        self.linear, self.normalise = torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)
        self.scores = list(scores)
        self.validated: list[dict[str, torch.Tensor]] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = self.normalise(self.linear(batch)).square().mean()
        return loss + self.linear.weight.sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.validated.append(copy_of(self))
        if self.scores:
            self.log("validation/score", self.scores[len(self.validated) - 1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Witness(pl.Callback):
    """Keeps the weights after each step."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, *_: object
    ) -> None:
        if trainer.global_step > len(self.seen):
            self.seen.append(copy_of(module))


def copy_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def fit(module: Line, *callbacks: pl.Callback, epochs: int = 1, gather: int = 1) -> None:
    data = torch.randn(24, 2, generator=torch.Generator().manual_seed(0))
    with quiet_lightning():
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            accumulate_grad_batches=gather,
            callbacks=list(callbacks),
            logger=False,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(data, batch_size=4), DataLoader(data, batch_size=24))  # type: ignore[arg-type]  # a tensor serves as a dataset


@pytest.mark.parametrize("gather", [1, 2])
def test_the_average_is_the_one_of_its_definition(gather: int) -> None:
    torch.manual_seed(0)
    module, ema, witness = Line(), EmaWeights(0.5), Witness()
    expected = copy_of(module)
    fit(module, witness, ema, gather=gather)
    assert len(witness.seen) == 6 // gather
    for step, weights in enumerate(witness.seen, start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        for key, value in weights.items():
            if value.is_floating_point():
                expected[key] = decay * expected[key] + (1 - decay) * value
    (validated,) = module.validated
    last = copy_of(module)
    ema.publish(module)
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[key])
            assert torch.equal(validated[key], value)  # validation saw it
            assert torch.equal(last[key], witness.seen[-1][key])  # training went on without it


@pytest.mark.parametrize(
    ("scores", "mode", "looks", "best"),
    [
        ((0.1, 0.5, 0.4, 0.3, 0.9), "max", 4, 1),
        ((0.5, 0.1, 0.4, 0.3, 0.0), "min", 4, 1),
        ((0.1, 0.2, 0.3, 0.4, 0.5), "max", 5, 4),
        ((math.nan, 0.2, math.nan, 0.1, 0.3), "max", 4, 1),
    ],
)
def test_it_stops_when_patience_is_used_up(
    tmp_path: Path, scores: tuple[float, ...], mode: Literal["max", "min"], looks: int, best: int
) -> None:
    torch.manual_seed(0)
    module = Line(scores)
    stop = StopEarly(EarlyStopping("validation/score", patience=2, mode=mode), tmp_path / "best.pt")
    fit(module, stop, epochs=5)
    assert len(module.validated) == looks
    stop.publish(module)
    for key, value in module.state_dict().items():
        assert torch.equal(value, module.validated[best][key])


def test_a_run_that_had_stopped_does_not_go_on(tmp_path: Path) -> None:
    settings = EarlyStopping("validation/score", patience=1)
    first, second = (StopEarly(settings, tmp_path / "best.pt") for _ in range(2))
    fit(Line((0.2, 0.1)), first, epochs=5)
    second.load_state_dict(first.state_dict())
    module, witness = Line((0.9,) * 5), Witness()
    fit(module, second, witness, epochs=5)
    assert not witness.seen


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    stop = StopEarly(EarlyStopping("validation/dcie"), tmp_path / "best.pt")
    with pytest.raises(RecipeError, match=r"found 'validation/dcie'; allowed: validation/score"):
        fit(Line((0.1,)), stop)


def test_the_csv_log_goes_on_where_the_checkpoint_was_made(tmp_path: Path) -> None:
    log = CsvLog(tmp_path)
    log.begin(0, 0)
    kept = log.write(1, {"train/loss": 0.5})
    log.write(2, {"train/loss": 0.25, "validation/dice": 0.125})
    again = CsvLog(tmp_path)
    again.begin(1, kept)
    again.write(2, {"train/loss": 0.2})
    text = (tmp_path / "metrics.csv").read_text()
    assert text == "step,metric,value\n1,train/loss,0.5\n2,train/loss,0.2\n"
    CsvLog(tmp_path).begin(0, 0)
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n"


def test_loss_and_validation_are_logged(tmp_path: Path) -> None:
    fit(Line((0.25, 0.5)), LogFigures(open_logs(("csv",), tmp_path), silent), epochs=2, gather=3)
    rows = [row.split(",") for row in (tmp_path / "metrics.csv").read_text().split()[1:]]
    assert [(step, name) for step, name, _ in rows if "rate" not in name] == [
        ("2", "train/loss"),
        ("2", "validation/score"),
        ("4", "train/loss"),
        ("4", "validation/score"),
    ]
    assert [row[2] for row in rows if "score" in row[1]] == ["0.25", "0.5"]


def test_tensorboard_files_name_no_machine(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, figures in ((0, (0.5, 0.25)), (1, (0.125, 0.0625))):
        log = TensorBoardLog(tmp_path)
        log.begin(start, 0)
        for step, figure in enumerate(figures, start=start + 1):
            log.write(step, {"train/loss": figure})
        log.end()
    for file in (tmp_path / "tensorboard").iterdir():
        assert socket.gethostname().encode() not in file.name.encode() + file.read_bytes()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    # What was written after the checkpoint at step 1 is replaced.
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [
        (1, 0.5),
        (2, 0.125),
        (3, 0.0625),
    ]


def test_mlflow_keeps_figures_and_no_names(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    position = 0
    for start in (0, 1):
        log = MlflowLog(tmp_path)
        log.begin(start, position)
        position = log.write(start + 1, {"train/loss": 0.5})
        log.end()
    (database, note) = sorted((tmp_path / "mlflow").iterdir())
    found = log.client.get_metric_history(note.read_text(), "train/loss")
    assert [(m.step, m.value) for m in found] == [(1, 0.5), (2, 0.5)]
    for secret in (str(tmp_path), socket.gethostname(), getpass.getuser() + "\n"):
        assert secret.encode() not in database.read_bytes()


def test_a_log_that_is_not_installed_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(MissingDependencyError, match=r"mlflow. Remedy: pip install mlflow"):
        open_logs(("mlflow",), tmp_path)
