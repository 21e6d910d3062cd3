"""Dice per class from confusion counts.

Dice LR. Measures of the amount of ecologic association between species. Ecology 1945: twice the
overlap over the sum of both areas.
"""

from __future__ import annotations

import torch
from torchmetrics import Metric

from pathoai.ontology import NOT_ASSESSED


def confusion_counts(
    predicted: torch.Tensor, target: torch.Tensor, *, classes: int
) -> torch.Tensor:
    """How often each channel was said where each was true; pixels of 255 are left out.

    Args:
        predicted: Channels, any shape, integer.
        target: Channels or 255, same shape, integer.
        classes: Number of channels.

    Returns:
        ``(classes, classes)`` int64, rows by truth, columns by prediction.
    """
    assessed = target != NOT_ASSESSED
    pairs = target[assessed].long() * classes + predicted[assessed].long()
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def dice_of(confusion: torch.Tensor) -> torch.Tensor:
    """Dice of each channel, ``(classes,)`` float64; NaN where it is neither true nor predicted.

    Args:
        confusion: ``(classes, classes)`` counts.
    """
    counts = confusion.double()
    return 2 * counts.diagonal() / (counts.sum(0) + counts.sum(1))


class DiceByClass(Metric):
    """Dice per class pooled over all pixels seen, on all processes together.

    Pooled, not averaged over tiles: a tile without nuclei has no Dice of its own.
    """

    full_state_update = False
    confusion: torch.Tensor

    def __init__(self, classes: int) -> None:
        """Start with nothing seen.

        Args:
            classes: Number of channels, background included.
        """
        super().__init__()
        self.classes = classes
        zeros = torch.zeros(classes, classes, dtype=torch.int64)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")

    def update(self, predicted: torch.Tensor, target: torch.Tensor) -> None:
        """Count more pixels: channels ``(…)``, and channels or 255 of the same shape."""
        self.confusion += confusion_counts(predicted, target, classes=self.classes)

    def compute(self) -> torch.Tensor:
        """Dice of each channel, ``(classes,)`` float64, NaN where undefined."""
        return dice_of(self.confusion)
