"""The task: a class for every pixel."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pathoai.models.bundle import SEMANTIC_SEGMENTATION
from pathoai.ontology import NOT_ASSESSED
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.leak import check_guard
from pathoai_training.metrics.dice import DiceByClass
from pathoai_training.splits.split import SplitKind
from pathoai_training.tasks.reference import reference_of
from pathoai_training.tasks.segmentation_examination import (
    SegmentationExamination,
    calibrate,
    examine_tiles,
)
from pathoai_training.tasks.task import Conclusion, Task

Loss = nn.Module
"""From logits ``(N, C, H, W)`` and targets ``(N, H, W)`` int64 to a scalar."""


class SegmentationLoss(nn.Module):
    """Cross entropy plus soft Dice over the pixels that someone assessed.

    Soft Dice: Milletari F, Navab N, Ahmadi SA. V-Net. 3DV 2016.
    """

    def __init__(self, *, dice_weight: float = 1.0) -> None:
        """Weigh the two.

        Args:
            dice_weight: Of soft Dice; cross entropy has weight 1.
        """
        super().__init__()
        self.dice_weight = dice_weight

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss.

        Args:
            logits: ``(N, C, H, W)``.
            target: ``(N, H, W)`` int64 channels or 255.
            weight: ``(N, H, W)`` of each pixel in the cross entropy; 1 everywhere where None.
        """
        assessed = target != NOT_ASSESSED
        share = assessed if weight is None else assessed * weight
        known = torch.where(assessed, target, 0)
        per_pixel = nn.functional.cross_entropy(logits, known, reduction="none")
        # A batch without assessed pixels weighs nothing instead of becoming NaN.
        cross_entropy = (per_pixel * share).sum() / share.sum().clamp(min=1)
        if not self.dice_weight:
            return cross_entropy
        probability = logits.softmax(1) * assessed[:, None]
        truth = nn.functional.one_hot(known, logits.shape[1]).movedim(-1, 1) * assessed[:, None]
        overlap = (probability * truth).sum((0, 2, 3))
        total = (probability + truth).sum((0, 2, 3))
        dice = (2 * overlap + 1) / (total + 1)  # the ones keep absent classes at no loss
        return cross_entropy + self.dice_weight * (1 - dice[1:].mean())


class SemanticSegmentation(Task[StoreDataModule, SegmentationExamination]):
    """Trains a network to name the class of every pixel.

    A variant overrides one of the hooks ``configure_network``, ``configure_loss`` and
    ``configure_metrics``, and is named by its ``class_path`` in a recipe.

    Args:
        classes: Keys of the classes after background, in the order of the output channels.
        architecture: Maps images ``(N, 3, H, W)`` to logits ``(N, C, H, W)``.
        arguments: What else the architecture takes.
        learning_rate: Peak of the schedule.
        weight_decay: Of the optimiser.
        dice_weight: Of soft Dice in the loss.
        pretrained: Key of a registered encoder to begin with, e.g. of the architecture ``smp``.
    """

    kind = SEMANTIC_SEGMENTATION

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        architecture: str = "unet",
        arguments: dict[str, Any] | None = None,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        dice_weight: float = 1.0,
        pretrained: str | None = None,
    ) -> None:
        """Build network, loss and metrics through the hooks; weights are random."""
        super().__init__(
            classes=classes,
            architecture=architecture,
            arguments=arguments,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            pretrained=pretrained,
        )
        # Plain lists and dicts: checkpoints are loaded with weights_only=True.
        classes, arguments = tuple(classes), self.arguments
        self.save_hyperparameters()
        self.dice_weight = dice_weight
        self.loss = self.configure_loss()
        self.validation_dice = self.configure_metrics()
        self.test_dice = self.configure_metrics()

    @classmethod
    def channels_of(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Background first."""
        return ("background", *classes)

    def configure_loss(self) -> Loss:
        """What is minimised."""
        return SegmentationLoss(dice_weight=self.dice_weight)

    def configure_metrics(self) -> DiceByClass:
        """What is measured on validation and test tiles."""
        return DiceByClass(len(self.channels))

    def check(self, data: StoreDataModule) -> None:
        """Refuse a guard that the network can look across.

        Raises:
            LeakError: Areas of one slide are kept apart by less than the network sees.
        """
        if data.split.kind is SplitKind.AREA:
            check_guard(self.network, data.guard_px)

    def examine(self, data: StoreDataModule, subset: str) -> SegmentationExamination:
        """Predict every tile of a subset once."""
        return examine_tiles(
            self,
            data.dataset(subset),
            classes=len(self.channels),
            batch_size=data.batch_size,
            seed=data.seed,
        )

    def conclude(
        self, validation: SegmentationExamination, measured: SegmentationExamination
    ) -> Conclusion:
        """The temperature, Dice per class, and how far probabilities can be believed."""
        calibration = calibrate(validation, measured)
        metrics = {
            "dice": measured.dice(self.channels),
            "calibration_error": round(calibration.reliability.expected_error, 6),
            "pixels": int(measured.confusion.sum()),
        }
        return Conclusion(calibration, metrics)

    def reference(self, data: StoreDataModule) -> dict[str, Any]:
        """Stain of the training slides, and features of their tiles."""
        return reference_of(self.network, self.normalise, data)

    def training_step(
        self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        """The loss of a batch."""
        images, target = batch
        loss: torch.Tensor = self.loss(self(images), target.long())
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        """Count the pixels of a batch."""
        images, target = batch
        self.validation_dice.update(self(images).argmax(1), target)

    def on_validation_epoch_end(self) -> None:
        """Log Dice per class, then forget."""
        self._log_dice("validation", self.validation_dice)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        """Count the pixels of a batch."""
        images, target = batch
        self.test_dice.update(self(images).argmax(1), target)

    def on_test_epoch_end(self) -> None:
        """Log Dice per class, then forget."""
        self._log_dice("test", self.test_dice)

    def _log_dice(self, subset: str, metric: DiceByClass) -> None:
        values = metric.compute()
        metric.reset()
        for key, value in zip(self.channels, values, strict=True):
            # Every process has the same value already: sync_dist only keeps Lightning quiet.
            self.log(f"{subset}/dice/{key}", value.float(), sync_dist=True)
