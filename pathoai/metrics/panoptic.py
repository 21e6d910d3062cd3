"""How well objects were found and outlined: panoptic quality and F1.

Kirillov A, He K, Girshick R, Rother C, Dollár P. Panoptic segmentation. CVPR 2019. Two objects
match where their intersection over union is *above* the threshold. From 0.5 up an object can have
one match only. Below, matches are chosen for the greatest total intersection over union (an
assignment).

Pixels that nobody assessed count for nothing, and neither does a predicted object of which they
make up more than half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from pathoai.errors import InvalidValueError
from pathoai.metrics.confusion import quotient

_LARGEST_TABLE = 1 << 22
"""Pairs of objects that are counted in a table; beyond, sorting the pixels needs less memory."""

Objects = NDArray[np.integer]
"""``(H, W)``: 0 outside, else the number of the object, any numbers."""


@dataclass(frozen=True, slots=True)
class ObjectCounts:
    """Of one image, or summed over many: numbers, or ``(…, C)`` arrays for classes.

    Args:
        matched: Pairs.
        spurious: Predicted objects without a match.
        missed: True objects without a match.
        overlap: Sum of the pairs' intersections over unions.
    """

    matched: NDArray[np.float64]
    spurious: NDArray[np.float64]
    missed: NDArray[np.float64]
    overlap: NDArray[np.float64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall; NaN where there is no object at all."""
        return quotient(2 * self.matched, 2 * self.matched + self.spurious + self.missed)

    @property
    def segmentation_quality(self) -> NDArray[np.float64]:
        """Mean intersection over union of the pairs; NaN without pairs."""
        return quotient(self.overlap, self.matched)

    @property
    def panoptic_quality(self) -> NDArray[np.float64]:
        """F1 times segmentation quality; NaN where there is no object at all."""
        return quotient(self.overlap, self.matched + (self.spurious + self.missed) / 2)


@dataclass(frozen=True, slots=True)
class _Overlaps:
    """Pairs of objects that share pixels, and all objects.

    Args:
        true: Numbers of the true objects.
        said: Numbers of the predicted objects that count.
        pairs: ``(P, 2)`` positions in the two.
        iou: ``(P,)``.
    """

    true: NDArray[np.int64]
    said: NDArray[np.int64]
    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]


def count_objects(
    truth: Objects,
    predicted: Objects,
    *,
    threshold: float = 0.5,
    assessed: NDArray[np.bool_] | None = None,
) -> ObjectCounts:
    """Match the objects of an image, whatever their class.

    Args:
        truth: True objects.
        predicted: Predicted objects, same shape.
        threshold: Intersection over union above which two match.
        assessed: Where somebody looked; everywhere where None.

    Raises:
        InvalidValueError: Shapes differ, a number is negative, or the threshold is outside 0 to 1.
    """
    overlaps = _overlaps(truth, predicted, threshold, assessed)
    return _counts(overlaps, np.ones(len(overlaps.pairs), bool), threshold, None)


def count_objects_by_class(
    truth: Objects,
    predicted: Objects,
    classes: tuple[ArrayLike, ArrayLike],
    *,
    class_count: int,
    threshold: float = 0.5,
    assessed: NDArray[np.bool_] | None = None,
) -> ObjectCounts:
    """Match the objects of an image class by class, and whatever their class.

    Args:
        truth: True objects.
        predicted: Predicted objects, same shape.
        classes: Class of each true and of each predicted object, by number: ``classes[0][n]`` is
            that of true object n; entry 0 is not looked at.
        class_count: C.
        threshold: Intersection over union above which two match.
        assessed: Where somebody looked; everywhere where None.

    Returns:
        ``(1 + C,)`` each: first all objects whatever their class, then those of each class; an
        object found but named wrongly is missed in its class and spurious in the other.

    Raises:
        InvalidValueError: As for :func:`count_objects`, or an object has no class.
    """
    overlaps = _overlaps(truth, predicted, threshold, assessed)
    named = [
        _classes_of(numbers, table, class_count)
        for numbers, table in zip((overlaps.true, overlaps.said), classes, strict=True)
    ]
    same = named[0][overlaps.pairs[:, 0]], named[1][overlaps.pairs[:, 1]]
    parts = [_counts(overlaps, np.ones(len(overlaps.pairs), bool), threshold, None)]
    for k in range(class_count):
        sizes = int((named[0] == k).sum()), int((named[1] == k).sum())
        parts.append(_counts(overlaps, (same[0] == k) & (same[1] == k), threshold, sizes))
    return stack_counts(parts)


def stack_counts(parts: Sequence[ObjectCounts]) -> ObjectCounts:
    """Counts of several images, or classes, along a new first axis."""
    return ObjectCounts(
        *(
            np.stack([np.asarray(getattr(p, name), np.float64) for p in parts])
            for name in ("matched", "spurious", "missed", "overlap")
        )
    )


def _overlaps(
    truth: Objects, predicted: Objects, threshold: float, assessed: NDArray[np.bool_] | None
) -> _Overlaps:
    if truth.shape != predicted.shape or not 0 <= threshold < 1:
        raise InvalidValueError(
            "objects to match",
            found=f"shapes {truth.shape} and {predicted.shape}, threshold {threshold:g}",
            allowed="one shape, a threshold from 0 to below 1",
        )
    seen = np.ones(truth.shape, bool) if assessed is None else assessed
    true, true_at = _numbered(truth[seen])
    said, said_at = _numbered(predicted[seen])
    keys, shared = _joint_counts(true_at, said_at, len(true) + 1, len(said) + 1)
    true_area = np.bincount(true_at, minlength=len(true) + 1)
    said_area = np.bincount(said_at, minlength=len(said) + 1)
    first, second = np.divmod(keys, len(said) + 1)
    counted = _mostly_assessed(said, said_area[1:], predicted, seen)
    # Object 0 is the outside; `place` is -1 for objects that do not count.
    place = np.concatenate([[-1], np.where(counted, counted.cumsum() - 1, -1)])
    both = (first > 0) & (place[second] >= 0)
    first, second, shared = first[both], second[both], shared[both]
    union = true_area[first] + said_area[second] - shared
    pairs = np.stack([first - 1, place[second]], axis=1)
    return _Overlaps(true, said[counted], pairs, shared / union)


def _numbered(labels: Objects) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The objects' numbers, and each pixel's position among them counted from 1; 0 outside."""
    if labels.size and labels.min() < 0:
        raise InvalidValueError(
            "numbers of objects", found=int(labels.min()), allowed="0 outside, above 0 inside"
        )
    flat = labels.astype(np.int64, copy=False)
    largest = int(flat.max(initial=0))
    if largest < max(_LARGEST_TABLE, flat.size):
        present = np.bincount(flat, minlength=1) > 0
        present[0] = False
        return np.flatnonzero(present), np.where(present, present.cumsum(), 0)[flat]
    numbers, place = np.unique(flat, return_inverse=True)
    outside = int(numbers[0] == 0)
    return numbers[outside:], place + 1 - outside


def _joint_counts(
    first: NDArray[np.int64], second: NDArray[np.int64], rows: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys ``first * columns + second`` that occur, ascending, and how often."""
    keys = first * columns + second
    if rows * columns <= _LARGEST_TABLE:
        table = np.bincount(keys, minlength=1)
        present = np.flatnonzero(table)
        return present, table[present]
    return np.unique(keys, return_counts=True)


def _mostly_assessed(
    said: NDArray[np.int64],
    seen_area: NDArray[np.int64],
    predicted: Objects,
    seen: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which predicted objects lie at least half where somebody looked."""
    if seen.all():
        return np.ones(len(said), bool)
    hidden = np.sort(predicted[~seen], axis=None)
    unseen_area = np.searchsorted(hidden, said, "right") - np.searchsorted(hidden, said, "left")
    return np.asarray(unseen_area <= seen_area)


def _classes_of(
    numbers: NDArray[np.int64], table: ArrayLike, class_count: int
) -> NDArray[np.int64]:
    classes = np.asarray(table)
    if len(numbers) and numbers.max() >= len(classes):
        raise InvalidValueError("object without a class", found=int(numbers.max()))
    found = classes[numbers] if len(numbers) else np.empty(0, np.int64)
    if len(found) and not (found.min() >= 0 and found.max() < class_count):
        raise InvalidValueError(
            "class of an object",
            found=f"{found.min()} to {found.max()}",
            allowed=f"0 to {class_count - 1}",
        )
    return np.asarray(found, np.int64)


def _counts(
    overlaps: _Overlaps,
    chosen: NDArray[np.bool_],
    threshold: float,
    sizes: tuple[int, int] | None,
) -> ObjectCounts:
    """Counts of the chosen pairs among so many true and predicted objects; all where None."""
    passing = chosen & (overlaps.iou > threshold)
    iou = overlaps.iou[passing]
    if threshold < 0.5 and len(iou):
        iou = iou[best_pairs(overlaps.pairs[passing], iou)]
    true, said = (len(overlaps.true), len(overlaps.said)) if sizes is None else sizes
    values = len(iou), said - len(iou), true - len(iou), iou.sum()
    return ObjectCounts(*(np.asarray(v, np.float64) for v in values))


def best_pairs(pairs: NDArray[np.int64], iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of candidate pairs those, one per object, whose sum is greatest: their positions, ``(P,)``.

    Args:
        pairs: ``(C, 2)`` positions of the two objects of each candidate.
        iou: ``(C,)`` of each, above 0.
    """
    rows, row = np.unique(pairs[:, 0], return_inverse=True)
    columns, column = np.unique(pairs[:, 1], return_inverse=True)
    table, position = np.zeros((2, len(rows), len(columns)))
    table[row, column], position[row, column] = iou, np.arange(len(iou))
    taken = linear_sum_assignment(table, maximize=True)
    return np.asarray(position[taken][table[taken] > 0], np.int64)
