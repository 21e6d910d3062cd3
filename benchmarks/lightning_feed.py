"""The U-Net as `pathoai train` trains it: StoreDataModule and Lightning, for device_training.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from pathoai.ontology import load_ontology
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.device_feed import DeviceFeed
from pathoai_training.recipes.trainer_settings import TrainerSettings
from pathoai_training.running.lightning_run import make_trainer, quiet_lightning
from pathoai_training.tasks.semantic_segmentation import SemanticSegmentation

_SLIDE, _LABEL, _FACTOR = "S000000000000000", "annotation/made", 16


def study_of(store: SlideStore, folder: Path) -> Study:
    """A study of one slide, every pixel of which is labelled: a chessboard of two classes."""
    study = Study.create(folder, ontology="breast")
    Cohort([CohortRow(_SLIDE, patient_id="P000000000000000")]).write(folder / "cohort.csv")
    path = study.store_path(_SLIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.path.rename(path)
    ontology = load_ontology("breast")
    about = {"origin": "import", "status": "proposed", "description": "made for a benchmark"}
    recipe = LabelRecipe(_LABEL, ontology.classes, about, factor=_FACTOR)
    writer = LabelWriter(path, store.header, recipe)
    height, width = writer.class_map.array.shape
    y, x = np.ogrid[:height, :width]
    values = (((x // 8 + y // 8) % 2) * ontology["stroma"].index).astype(np.uint8)
    for shard in writer.class_map.shards:
        rows, columns = writer.class_map.slices(shard)
        writer.class_map.write(shard, values[rows, columns])
    writer.finish(values)
    return study


class Repeated:
    """One batch that lies on the device, again and again."""

    def __init__(self, batch: tuple[torch.Tensor, ...], count: int) -> None:
        """Keep it."""
        self._batch, self._count = batch, count

    def __len__(self) -> int:
        """How often."""
        return self._count

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """The same each time."""
        return (self._batch for _ in range(self._count))


class Tiles(StoreDataModule):
    """Without validation; if so asked, of one batch that lies on the device: the ceiling."""

    resident = False

    def train_dataloader(self) -> Any:  # noqa: ANN401 - a script
        """Tiles of the store, or the first of its batches only."""
        loader = super().train_dataloader()
        if not self.resident:
            assert isinstance(loader, DeviceFeed) or self._device.type == "cpu"
            return loader
        batch = next(iter(loader))
        return Repeated(tuple(plane.to(self._device) for plane in batch), len(loader))

    def val_dataloader(self) -> Any:  # noqa: ANN401 - a script
        """None."""
        return []


class Stopwatch(pl.Callback):
    """Counts steps for some seconds, after some that are not counted, then ends the training."""

    def __init__(self, warm_up: int, seconds: float, now: Callable[[], float]) -> None:
        """Start with the first step that counts."""
        self.steps, self.spent = 0, 0.0
        self._warm_up, self._seconds, self._now = warm_up, seconds, now
        self._start = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: ANN401 - a script
        """Look at the clock."""
        done = trainer.global_step
        if done == self._warm_up:
            self._start = self._now()
        elif done > self._warm_up and time.perf_counter() - self._start > self._seconds:
            self.spent, self.steps = self._now() - self._start, done - self._warm_up
            trainer.should_stop = True


@dataclass(frozen=True)
class Fed:
    """How a stretch went.

    Args:
        step_ms: Of a step in the mean.
        tiles_per_s: Learnt from.
        decoded_on: In the words of a bundle.
    """

    step_ms: float
    tiles_per_s: float
    decoded_on: str


def fed(  # noqa: PLR0913 - a script
    study: Study,
    device: torch.device,
    *,
    mpp: float,
    batch: int,
    workers: int,
    seconds: float,
    architecture: tuple[str, dict[str, Any]],
    resident: bool,
) -> Fed:
    """Train for some seconds by our own trainer."""
    steps = 3000 if device.type == "cuda" else 40
    data = Tiles(
        study=study.path,
        classes=("stroma",),
        label=_LABEL,
        spec=TileSpec(256, mpp, 0, 0.25),
        batch_size=batch,
        split="area",
        guard_px=0,
        train_stride_px=256,
        steps_per_epoch=steps,
        workers=workers,
        decode="device",
    )
    data.resident = resident
    torch.manual_seed(0)
    task = SemanticSegmentation(
        classes=("stroma",), architecture=architecture[0], arguments=architecture[1]
    )

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    watch = Stopwatch(10 if device.type == "cuda" else 1, seconds, now)
    settings = TrainerSettings(max_steps=steps, steps_per_epoch=steps)
    with quiet_lightning():
        trainer = make_trainer(settings, device, batch, [watch])
        trainer.fit(task, datamodule=data)
    step_s = watch.spent / watch.steps
    return Fed(1e3 * step_s, batch / step_s, data.record()["decoded_on"])
