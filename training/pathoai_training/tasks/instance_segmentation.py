"""The task: a class for every pixel, and which pixels are one object."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pathoai.models.architecture import build_network
from pathoai.models.bundle import INSTANCE_SEGMENTATION
from pathoai.models.instance_maps import MAPS
from pathoai.ontology import NOT_ASSESSED
from pathoai_training.data.data_module import Batch
from pathoai_training.data.instance_data import InstanceDataModule
from pathoai_training.metrics.dice import DiceByClass
from pathoai_training.tasks.instance_examination import InstanceExamination, examine_instances
from pathoai_training.tasks.reference import reference_of
from pathoai_training.tasks.segmentation_examination import calibrate
from pathoai_training.tasks.semantic_segmentation import SegmentationLoss
from pathoai_training.tasks.task import Conclusion, Task

_GAP_PX = 5
"""Side of the square about a pixel in which two objects must lie for it to be a gap."""
_NO_OBJECT = float(2**24)
"""More than the number of any object of a tile; float32 counts to here without a gap."""


def gaps(numbers: torch.Tensor) -> torch.Tensor:
    """Pixels between two objects that touch or nearly do, ``(N, H, W)`` bool.

    Args:
        numbers: ``(N, H, W)`` integers, 0 outside objects.
    """
    least, most = _extremes(numbers, _GAP_PX)
    return (most > least) & (least < _NO_OBJECT)


def lined(target: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Targets with a line of background between objects that touch, as predictions have it.

    Args:
        target: ``(N, H, W)`` int64 channels or 255.
        numbers: ``(N, H, W)`` integers, 0 outside objects; the greater gives up its rim.
    """
    least, _ = _extremes(numbers, 3)
    return torch.where((numbers > least) & (target != NOT_ASSESSED), 0, target)


def _extremes(numbers: torch.Tensor, side_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and greatest number of an object in a square about each pixel, float32."""
    plane = numbers.float()[:, None]
    pool = nn.MaxPool2d(side_px, stride=1, padding=side_px // 2)
    least = -pool(-torch.where(plane > 0, plane, _NO_OBJECT))
    return least[:, 0], pool(plane)[:, 0]


class InstanceLoss(nn.Module):
    """The loss of a segmentation, plus the squared error of the maps where someone assessed.

    What parts two neighbours is a pixel or two wide and decides whether they are one object or two:
    there cross entropy weighs more, as in Ronneberger O, Fischer P, Brox T. U-Net. MICCAI 2015.
    """

    def __init__(self, *, dice_weight: float, map_weight: float, gap_weight: float = 0.0) -> None:
        """Weigh them.

        Args:
            dice_weight: Of soft Dice; cross entropy has weight 1.
            map_weight: Of the maps' error.
            gap_weight: What is added to the weight of a pixel between two objects.
        """
        super().__init__()
        self.classes = SegmentationLoss(dice_weight=dice_weight)
        self.map_weight = map_weight
        self.gap_weight = gap_weight

    def forward(
        self,
        outputs: torch.Tensor,
        target: torch.Tensor,
        maps: torch.Tensor,
        numbers: torch.Tensor,
    ) -> torch.Tensor:
        """The loss of outputs ``(N, C + 1, H, W)``.

        Args:
            outputs: Logits of classes, then of the maps.
            target: ``(N, H, W)`` int64 channels or 255.
            maps: ``(N, 1, H, W)`` float32.
            numbers: ``(N, H, W)`` integers of the objects, 0 outside.
        """
        logits, predicted = outputs[:, : -len(MAPS)], outputs[:, -len(MAPS) :].sigmoid()
        assessed = (target != NOT_ASSESSED)[:, None]
        # Objects cover a fifth of tissue: without their weight, "no object" would do.
        weight = assessed * (1 + 4 * (maps > 0))
        error = (weight * (predicted - maps) ** 2).sum() / weight.sum().clamp(min=1)
        classes = self.classes(logits, lined(target, numbers), 1 + self.gap_weight * gaps(numbers))
        loss: torch.Tensor = classes + self.map_weight * error
        return loss


class InstanceSegmentation(Task[InstanceDataModule, InstanceExamination]):
    """Trains a network to tell objects apart and to name their classes.

    Args:
        classes: Keys of the classes after background, in the order of the output channels.
        architecture: Maps images ``(N, 3, H, W)`` to ``(N, C + 1, H, W)``.
        arguments: What else the architecture takes.
        learning_rate: Peak of the schedule.
        weight_decay: Of the optimiser.
        dice_weight: Of soft Dice in the loss.
        map_weight: Of the maps' error in the loss.
        gap_weight: Of pixels between two objects in the loss, added to 1.
        pretrained: Key of a registered encoder to begin with, e.g. of the architecture ``smp``.
    """

    kind = INSTANCE_SEGMENTATION

    def __init__(  # noqa: PLR0913 - the keys of a recipe's model section, kept flat
        self,
        *,
        classes: tuple[str, ...],
        architecture: str = "unet",
        arguments: dict[str, Any] | None = None,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        dice_weight: float = 1.0,
        map_weight: float = 4.0,
        gap_weight: float = 4.0,
        pretrained: str | None = None,
    ) -> None:
        """Build network, loss and metrics; weights are random."""
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
        self.loss = InstanceLoss(
            dice_weight=dice_weight, map_weight=map_weight, gap_weight=gap_weight
        )
        self.validation_dice = DiceByClass(len(self.channels))

    @classmethod
    def channels_of(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Background first."""
        return ("background", *classes)

    def configure_network(self) -> nn.Module:
        """From normalised images to logits of classes and of maps."""
        return build_network(
            self.architecture, classes=len(self.channels) + len(MAPS), arguments=self.arguments
        )

    def reference(self, data: InstanceDataModule) -> dict[str, Any]:
        """Stain of the training slides, and features of their tiles."""
        return reference_of(self.network, self.normalise, data)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        images, target, maps, numbers = batch
        loss: torch.Tensor = self.loss(self(images), target.long(), maps, numbers)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the pixels of a batch."""
        images, target, *_ = batch
        self.validation_dice.update(self(images)[:, : -len(MAPS)].argmax(1), target)

    def on_validation_epoch_end(self) -> None:
        """Log Dice per class, then forget."""
        values = self.validation_dice.compute()
        self.validation_dice.reset()
        for key, value in zip(self.channels, values, strict=True):
            # Every process has the same value already: sync_dist only keeps Lightning quiet.
            self.log(f"validation/dice/{key}", value.float(), sync_dist=True)

    def examine(self, data: InstanceDataModule, subset: str) -> InstanceExamination:
        """Predict every tile of a subset once, and match its objects with the true ones."""
        return examine_instances(
            self,
            data.dataset(subset),
            classes=len(self.channels),
            batch_size=data.batch_size,
            seed=data.seed,
        )

    def conclude(
        self, validation: InstanceExamination, measured: InstanceExamination
    ) -> Conclusion:
        """The temperature; Dice, F1 at an IoU of one half, and panoptic quality per class."""
        calibration = calibrate(validation.pixels, measured.pixels)
        metrics = {
            "dice": measured.pixels.dice(self.channels),
            "f1": measured.f1(self.channels),
            "panoptic_quality": measured.panoptic_quality(self.channels),
            "calibration_error": round(calibration.reliability.expected_error, 6),
            "objects": int((measured.objects.matched + measured.objects.missed)[0]),
        }
        return Conclusion(calibration, metrics)
