"""What a task hands over to be judged: one class per kind of prediction.

Each knows its **headline**: the numbers that a report leads with, that are broken down by centre
and compared between models. A number is a function of the items' weights, so that the bootstrap, a
breakdown and a paired comparison all compute the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.agreement import accuracy, balanced_accuracy, kappa, recall
from pathoai.metrics.class_probabilities import check_probabilities, check_truth
from pathoai.metrics.confusion import confusion_by_item, mean_of_known
from pathoai.metrics.cost_score import cost_score
from pathoai.metrics.expected_cost import CostMatrix
from pathoai.metrics.overlap import dice
from pathoai.metrics.panoptic import ObjectCounts
from pathoai.metrics.patient_bootstrap import Statistic
from pathoai.metrics.ranking import auc, auc_of_classes
from pathoai.models.reader_noise import reading_matrix
from pathoai_training.report.evaluated_slides import EvaluatedSlides

Column = NDArray[np.floating[Any]]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class SlidePredictions:
    """Of slide grading, or of classes of regions (then an item is a region).

    Args:
        slides: Whose.
        classes: Keys of the classes; from least to most severe where they are ordered.
        truth: ``(N,)`` true classes.
        probabilities: ``(N, K)`` calibrated.
        costs: What decisions rest on; the most probable class is decided where None.
        ordinal: Whether the classes are ordered.
        reader_noise: Share of the true classes that are readings one class off, where the
            probabilities are of what is true; see :mod:`pathoai.models.reader_noise`.

    Raises:
        InvalidValueError: The arrays do not fit together, or the costs are of other classes.
    """

    kind = "classification"

    slides: EvaluatedSlides
    classes: tuple[str, ...]
    truth: NDArray[np.integer[Any]]
    probabilities: Column
    costs: CostMatrix | None = None
    ordinal: bool = False
    reader_noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        rows = check_probabilities(self.probabilities, len(self.classes))
        if len(rows) != len(self.slides):
            raise InvalidValueError("predictions", found=len(rows), allowed=len(self.slides))
        check_truth(self.truth, len(rows), len(rows[0]) if len(rows) else 2)
        if self.costs is not None and len(self.costs.classes) != len(self.classes):
            raise InvalidValueError(
                "the costs are of other classes",
                found=", ".join(self.costs.classes),
                allowed=", ".join(self.classes),
            )

    @cached_property
    def decided(self) -> NDArray[np.int64]:
        """The decision on each item, ``(N,)``."""
        if self.costs is None:
            return np.asarray(self.probabilities.argmax(axis=1))
        return self.costs.decide(self.probabilities)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """One matrix per item, ``(N, K, K)``."""
        return confusion_by_item(self.truth, self.decided, classes=len(self.classes))

    @property
    def of_readings(self) -> Column:
        """Probabilities of what readers say, ``(N, K)``: what can be compared with their grades."""
        if not self.reader_noise:
            return self.probabilities
        matrix = reading_matrix(len(self.classes), self.reader_noise).numpy()
        return np.asarray(self.probabilities @ matrix)

    @property
    def first_high(self) -> int | None:
        """Position of the first class that must not be missed, where the costs name one."""
        if self.costs is None or not self.costs.high_grade:
            return None
        return self.costs.first_high

    @property
    def high_probability(self) -> Column:
        """Of that class or worse, ``(N,)``."""
        return np.asarray(self.probabilities[:, self.first_high :].sum(axis=1))

    @property
    def is_high(self) -> NDArray[np.bool_]:
        """Which items truly are of that class or worse."""
        return np.asarray(self.truth >= (self.first_high or 0))

    def headline(self) -> Mapping[str, Statistic]:
        """The numbers to lead with."""
        found: dict[str, Statistic] = {}
        costs, counts = self.costs, self.confusion
        if costs is not None:
            found["score by costs"] = _of_counts(counts, lambda c: cost_score(c, costs).score)
            found["score above the best constant decision"] = _of_counts(
                counts, lambda c: cost_score(c, costs).gain
            )
        if self.ordinal:
            found["quadratic weighted kappa"] = _of_counts(
                counts, lambda c: kappa(c, weights="quadratic")
            )
        found["balanced accuracy"] = _of_counts(counts, balanced_accuracy)
        found["accuracy"] = _of_counts(counts, accuracy)
        for k, name in enumerate(self.classes):
            found[f"recall of {name}"] = _of_counts(counts, _class_of(recall, k))
        if costs is not None and costs.high_grade:
            found[f"AUC of {costs.high_grade} or worse"] = lambda w: auc(
                self.high_probability, self.is_high, w
            )
        found["mean AUC of a class against the others"] = lambda w: mean_of_known(
            auc_of_classes(self.probabilities, self.truth, w)
        )
        return found

    def chosen(self, positions: Positions) -> Self:
        """Some of the items."""
        return replace(
            self,
            slides=self.slides.chosen(positions),
            truth=self.truth[positions],
            probabilities=self.probabilities[positions],
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "truth": self.truth.tolist(),
            "probabilities": np.round(self.probabilities, 7).tolist(),
            "costs": None if self.costs is None else self.costs.to_dict(),
            "ordinal": self.ordinal,
            "reader_noise": self.reader_noise,
        }

    @classmethod
    def from_dict(
        cls, slides: EvaluatedSlides, classes: tuple[str, ...], raw: Mapping[str, Any]
    ) -> Self:
        """As it is read from a report."""
        costs = raw["costs"]
        return cls(
            slides,
            classes,
            np.array(raw["truth"], np.int64),
            np.array(raw["probabilities"], np.float64).reshape(-1, len(classes)),
            None if costs is None else CostMatrix.from_dict(costs),
            raw["ordinal"],
            raw["reader_noise"],
        )


@dataclass(frozen=True)
class SegmentationCounts:
    """Of semantic segmentation, an item per slide.

    Args:
        slides: Whose.
        classes: Keys of the channels; the first is background.
        confusion: ``(N, K, K)`` assessed pixels, truth by prediction.
        reliability: ``(N, B, 3)``: pixels of each bin of the winning probability, sum of that
            probability, and pixels that were right; no bins where it was not measured.

    Raises:
        InvalidValueError: The arrays do not fit together.
    """

    kind = "segmentation"

    slides: EvaluatedSlides
    classes: tuple[str, ...]
    confusion: NDArray[np.integer[Any]]
    reliability: Column

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        size, count = len(self.classes), len(self.slides)
        if self.confusion.shape != (count, size, size):
            raise InvalidValueError(
                "confusion counts", found=self.confusion.shape, allowed=(count, size, size)
            )
        if self.reliability.ndim != 3 or self.reliability.shape[::2] != (count, 3):
            raise InvalidValueError(
                "reliability counts", found=self.reliability.shape, allowed=f"({count}, bins, 3)"
            )

    def headline(self) -> Mapping[str, Statistic]:
        """The numbers to lead with."""
        counts = self.confusion
        found: dict[str, Statistic] = {
            "mean Dice of the classes": _of_counts(
                counts, lambda c: mean_of_known(dice(c)[..., 1:])
            ),
        }
        for k, name in enumerate(self.classes[1:], start=1):
            found[f"Dice of {name}"] = _of_counts(counts, _class_of(dice, k))
        return found

    def chosen(self, positions: Positions) -> Self:
        """Some of the items."""
        return replace(
            self,
            slides=self.slides.chosen(positions),
            confusion=self.confusion[positions],
            reliability=self.reliability[positions],
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "confusion": self.confusion.tolist(),
            "reliability": np.round(self.reliability, 4).tolist(),
        }

    @classmethod
    def from_dict(
        cls, slides: EvaluatedSlides, classes: tuple[str, ...], raw: Mapping[str, Any]
    ) -> Self:
        """As it is read from a report."""
        size, count = len(classes), len(slides)
        return cls(
            slides,
            classes,
            np.array(raw["confusion"], np.int64).reshape(count, size, size),
            np.array(raw["reliability"], np.float64).reshape(count, -1, 3),
        )


@dataclass(frozen=True)
class InstanceCounts:
    """Of instance segmentation, an item per slide or image.

    Args:
        slides: Whose.
        classes: Keys of the objects' classes.
        objects: ``(N, 1 + C)`` counts, first whatever the class
            (:func:`pathoai.metrics.panoptic.count_objects_by_class`, stacked).
        threshold: Intersection over union above which objects match.

    Raises:
        InvalidValueError: The arrays do not fit together.
    """

    kind = "instances"

    slides: EvaluatedSlides
    classes: tuple[str, ...]
    objects: ObjectCounts
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        wanted = (len(self.slides), 1 + len(self.classes))
        if self.table.shape != (*wanted, 4):
            raise InvalidValueError("object counts", found=self.table.shape[:2], allowed=wanted)

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """``(N, 1 + C, 4)``: matched, spurious, missed, overlap."""
        counts = self.objects
        columns = (counts.matched, counts.spurious, counts.missed, counts.overlap)
        return np.stack(np.broadcast_arrays(*columns), axis=-1).astype(np.float64)

    def headline(self) -> Mapping[str, Statistic]:
        """The numbers to lead with."""
        found: dict[str, Statistic] = {
            f"F1 at {self.threshold:g} of all objects": self._of_objects("f1", 0),
            "panoptic quality of all objects (bPQ)": self._of_objects("panoptic_quality", 0),
        }
        if len(self.classes) > 1:
            found["mean panoptic quality of the classes (mPQ)"] = _of_counts(
                self.table, lambda t: mean_of_known(counts_of(t).panoptic_quality[..., 1:])
            )
        for k, name in enumerate(self.classes, start=1):
            found[f"F1 of {name}"] = self._of_objects("f1", k)
        return found

    def _of_objects(self, name: str, k: int) -> Statistic:
        return _of_counts(self.table, lambda t: getattr(counts_of(t), name)[..., k])

    def chosen(self, positions: Positions) -> Self:
        """Some of the items."""
        objects = counts_of(self.table[positions])
        return replace(self, slides=self.slides.chosen(positions), objects=objects)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"objects": self.table.tolist(), "threshold": self.threshold}

    @classmethod
    def from_dict(
        cls, slides: EvaluatedSlides, classes: tuple[str, ...], raw: Mapping[str, Any]
    ) -> Self:
        """As it is read from a report."""
        table = np.array(raw["objects"], np.float64).reshape(len(slides), 1 + len(classes), 4)
        return cls(slides, classes, counts_of(table), raw["threshold"])


Predictions = SlidePredictions | SegmentationCounts | InstanceCounts
KINDS: Mapping[str, type[Predictions]] = {
    cls.kind: cls for cls in (SlidePredictions, SegmentationCounts, InstanceCounts)
}


def counts_of(table: NDArray[np.float64]) -> ObjectCounts:
    """Object counts from ``(…, 4)``: matched, spurious, missed, overlap."""
    return ObjectCounts(*np.moveaxis(table, -1, 0))


def _class_of(statistic: Statistic, k: int) -> Statistic:
    """One class of a statistic of all."""
    return lambda counts: statistic(counts)[..., k]


def _of_counts(items: NDArray[Any], statistic: Statistic) -> Statistic:
    """A statistic of summed counts as one of the items' weights."""
    return lambda weights: statistic(np.tensordot(weights, items, axes=1))
