"""How far an exported model says what torch says, on items that training did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import ModelError
from pathoai.metrics.agreement import balanced_accuracy
from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.panoptic import ObjectCounts, stack_counts
from pathoai_training.metrics.dice import confusion_counts, dice_of
from pathoai_training.tasks.instance_examination import count_objects_of_tile

Outputs = tuple[NDArray[np.float32], ...]
"""Of pixels, probabilities ``(N, C, H, W)`` and, where objects are told apart, maps
``(N, 2, H, W)``; of regions and slides, probabilities ``(N, C)``, then what else there is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Within which an export is given out.

    Args:
        largest_difference: Of any output.
        agreement: Least share of pixels, regions or slides of which both name the same class.
        quality_drop: Most that Dice, F1 of objects, or balanced accuracy may be lower than torch's.
    """

    largest_difference: float
    agreement: float
    quality_drop: float


LIMITS = {
    # Sums in another order differ in the sixth digit; a wrong operator in the first.
    "float32": Limits(largest_difference=1e-3, agreement=0.999, quality_drop=0.01),
    # Eight bits move single probabilities at the borders of classes; figures must hold.
    "int8": Limits(largest_difference=1.0, agreement=0.99, quality_drop=0.01),
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found.

    Args:
        unit: What was compared: ``tiles``, ``regions`` or ``slides``.
        items: How many of them.
        decisions: How many classes were named: one for each pixel of tiles, else one for each item.
        largest_difference: Between outputs.
        mean_difference: Likewise, absolute.
        agreement: Share of decisions that are the same.
        quality_torch: Metric → value, against what is true of these items.
        quality_onnx: Likewise.
    """

    unit: str
    items: int
    decisions: int
    largest_difference: float
    mean_difference: float
    agreement: float
    quality_torch: dict[str, float]
    quality_onnx: dict[str, float]

    @property
    def decided(self) -> str:
        """What a class was named of, for people."""
        return "pixels" if self.decisions > self.items else self.unit

    @property
    def quality_drop(self) -> float:
        """The most by which a metric is lower than torch's; 0 where none is."""
        pairs = ((value, self.quality_onnx[key]) for key, value in self.quality_torch.items())
        return max((torch_value - value for torch_value, value in pairs), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"quality_drop": self.quality_drop, "decided": self.decided}

    def check(self, limits: Limits, where: str) -> None:
        """Refuse what lies outside.

        Raises:
            ModelError: With the numbers.
        """
        # Negated, so that NaN is refused too.
        held = (
            self.largest_difference <= limits.largest_difference
            and self.agreement >= limits.agreement
            and self.quality_drop <= limits.quality_drop
        )
        if not held:
            raise ModelError(
                "the exported model does not say what torch says; nothing was kept",
                where=where,
                found=f"largest difference {self.largest_difference:.3g}, same class in "
                f"{self.agreement:.2%} of {self.decided}, quality lower by {self.quality_drop:.3g} "
                f"({self.items} held-out {self.unit})",
                allowed=f"{limits.largest_difference:g}, {limits.agreement:.1%}, "
                f"{limits.quality_drop:g}",
                remedy="export without --int8" if where.endswith("int8") else None,
            )


class AgreementTally:
    """Compares batch by batch.

    Args:
        classes: Number of channels of classes.
        mpp: Scale of the tiles, µm per pixel.
        unit: What is compared: ``tiles``, ``regions`` or ``slides``.
    """

    def __init__(self, classes: int, *, mpp: float, unit: str = "tiles") -> None:
        """Start with nothing seen."""
        self._mpp, self._unit = mpp, unit
        self._items = self._decisions = self._same = self._values = 0
        self._largest, self._sum = 0.0, 0.0
        make = _PixelQuality if unit == "tiles" else _ItemQuality
        self._quality: tuple[_Quality, _Quality] = make(classes), make(classes)

    def add(self, ours: Outputs, theirs: Outputs, truth: Sequence[torch.Tensor]) -> None:
        """Compare a batch.

        Args:
            ours: What torch says.
            theirs: What the exported model says.
            truth: Targets ``(N, H, W)`` and what else the data gives after the images; of regions
                and slides, classes ``(N,)``.
        """
        for one, other in zip(ours, theirs, strict=True):
            difference = np.abs(one.astype(np.float64) - other)
            # np.maximum, unlike max(), keeps NaN: it must not pass for agreement.
            self._largest = float(np.maximum(self._largest, difference.max()))
            self._sum += float(difference.sum())
            self._values += difference.size
        same = ours[0].argmax(1) == theirs[0].argmax(1)
        self._same += int(same.sum())
        self._decisions += same.size
        self._items += len(same)
        for quality, outputs in zip(self._quality, (ours, theirs), strict=True):
            quality.add(outputs, truth, self._mpp)

    def agreement(self) -> Agreement:
        """Of all batches."""
        ours, theirs = (quality.values() for quality in self._quality)
        known = {key: value for key, value in ours.items() if not np.isnan(value)}
        return Agreement(
            unit=self._unit,
            items=self._items,
            decisions=self._decisions,
            largest_difference=self._largest,
            mean_difference=self._sum / self._values,
            agreement=self._same / self._decisions,
            quality_torch=known,
            # A class that is not true anywhere, and that only torch named, has no value here.
            quality_onnx={key: float(np.nan_to_num(theirs[key])) for key in known},
        )


class _Quality(Protocol):
    """How good outputs are, against what is true."""

    def add(self, outputs: Outputs, truth: Sequence[torch.Tensor], mpp: float) -> None: ...

    def values(self) -> dict[str, float]: ...


class _ItemQuality:
    """Balanced accuracy of the most probable class."""

    def __init__(self, classes: int) -> None:
        self._confusion = np.zeros((classes, classes), np.int64)

    def add(self, outputs: Outputs, truth: Sequence[torch.Tensor], mpp: float) -> None:
        classes = len(self._confusion)
        said = outputs[0].argmax(1)
        self._confusion += confusion_by_item(truth[0].numpy(), said, classes=classes).sum(0)

    def values(self) -> dict[str, float]:
        return {"balanced_accuracy": float(balanced_accuracy(self._confusion))}


class _PixelQuality:
    """Dice of each class and, where there are maps, F1 of all objects."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._confusion = torch.zeros(classes, classes, dtype=torch.int64)
        self._objects: list[ObjectCounts] = []

    def add(self, outputs: Outputs, truth: Sequence[torch.Tensor], mpp: float) -> None:
        target = truth[0]
        winner = torch.from_numpy(outputs[0].argmax(1))
        self._confusion += confusion_counts(winner, target, classes=self._classes)
        if len(outputs) > 1:
            numbers = truth[-1]
            for tile in zip(*outputs, target.numpy(), numbers.numpy(), strict=True):
                self._objects.append(count_objects_of_tile(*tile, mpp=mpp))

    def values(self) -> dict[str, float]:
        dice = dice_of(self._confusion)[1:].tolist()
        found = {f"dice_{channel}": value for channel, value in enumerate(dice, start=1)}
        if self._objects:
            counts = stack_counts(self._objects)
            total = ObjectCounts(
                counts.matched[:, 0].sum(),
                counts.spurious[:, 0].sum(),
                counts.missed[:, 0].sum(),
                counts.overlap[:, 0].sum(),
            )
            found["f1"] = float(total.f1)
        return found
