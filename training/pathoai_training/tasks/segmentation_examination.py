"""What a trained network does on tiles that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import DataLoader

from pathoai.models.calibration import Calibration, fit_temperature, measure_reliability
from pathoai.ontology import NOT_ASSESSED
from pathoai_training.data.tiles_dataset import TilesDataset
from pathoai_training.metrics.dice import confusion_counts, dice_of

_SAMPLED_PIXELS = 1 << 18
"""Enough to fit one number and to fill fifteen bins; more only takes time."""


@dataclass(frozen=True, slots=True)
class SegmentationExamination:
    """All pixels counted, and the logits of a sample.

    Args:
        confusion: ``(C, C)`` int64, rows by truth; all assessed pixels.
        logits: ``(N, C)`` float32 of sampled assessed pixels.
        target: ``(N,)`` int64.
    """

    confusion: torch.Tensor
    logits: torch.Tensor
    target: torch.Tensor

    def dice(self, channels: Sequence[str]) -> dict[str, float | None]:
        """Dice per class; None where the class is neither true nor predicted."""
        values = dice_of(self.confusion).tolist()
        return {
            key: None if value != value else round(value, 6)  # NaN is not equal to itself
            for key, value in zip(channels, values, strict=True)
        }


class PixelTally:
    """Counts pixels batch by batch, and keeps the logits of a sample.

    Args:
        classes: Number of channels.
        tiles: How many will come.
        seed: Of the sample.
    """

    def __init__(self, classes: int, *, tiles: int, seed: int) -> None:
        """Start with nothing seen."""
        self._classes = classes
        self._generator = torch.Generator().manual_seed(seed)
        self._quota = max(1, _SAMPLED_PIXELS // tiles)
        self._confusion = torch.zeros(classes, classes, dtype=torch.int64)
        self._logits: list[torch.Tensor] = []
        self._target: list[torch.Tensor] = []

    def add(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch: logits ``(N, C, H, W)`` float32, channels or 255 ``(N, H, W)``."""
        self._confusion += confusion_counts(logits.argmax(1), target, classes=self._classes)
        flat = target.flatten()
        assessed = torch.nonzero(flat != NOT_ASSESSED).squeeze(1)
        order = torch.randperm(len(assessed), generator=self._generator)
        chosen = assessed[order[: self._quota * len(logits)]]
        self._logits.append(logits.movedim(1, -1).reshape(-1, self._classes)[chosen])
        self._target.append(flat[chosen].long())

    def examination(self) -> SegmentationExamination:
        """All that was seen."""
        return SegmentationExamination(
            self._confusion, torch.cat(self._logits), torch.cat(self._target)
        )


def examine_tiles(
    model: nn.Module, dataset: TilesDataset, *, classes: int, batch_size: int, seed: int
) -> SegmentationExamination:
    """Predict every tile in one process, so that no tile counts twice.

    Args:
        model: Maps images ``(N, 3, H, W)`` uint8 to logits; it is set to evaluation.
        dataset: The tiles.
        classes: Number of output channels.
        batch_size: Tiles at once.
        seed: Of the sample of pixels.
    """
    device = next(model.parameters()).device
    tally = PixelTally(classes, tiles=len(dataset), seed=seed)
    model.eval()
    with torch.no_grad():
        for images, target in DataLoader(
            dataset, batch_size=batch_size, generator=torch.Generator()
        ):
            tally.add(model(images.to(device)).float().cpu(), target)
    return tally.examination()


def calibrate(
    validation: SegmentationExamination, measured: SegmentationExamination
) -> Calibration:
    """Fit the temperature on one subset, and see on the other how well it holds."""
    temperature = fit_temperature(validation.logits, validation.target)
    probabilities = Calibration(temperature).probabilities(measured.logits)
    return Calibration(temperature, measure_reliability(probabilities, measured.target))
