"""Sets of grades that hold the true one at a stated rate.

Split conformal prediction (Vovk V et al. Algorithmic learning in a random world. 2005):

- ``by_class``: each class has a threshold of its own, so that the rate holds for rare classes too
  (Mondrian; Vovk 2012). The score is 1 minus the probability of the class. A set may be empty:
  the slide is like none of the calibration.
- ``ordinal``: neighbouring grades only (Lu C, Angelopoulos AN, Pomerantz S. MICCAI 2022). The set
  starts at the likeliest grade and takes in the likelier neighbour, until it holds enough
  probability. One threshold, so the rate holds over all slides together; never empty.

A class with too few calibration slides (fewer than 1/error_rate − 1) is in every set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.class_probabilities import check_probabilities, check_truth
from pathoai.metrics.exact_interval import Share

Probabilities = NDArray[np.floating[Any]]


class SetKind(StrEnum):
    """How sets are formed."""

    BY_CLASS = "by_class"
    ORDINAL = "ordinal"


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """Turns probabilities into sets.

    Args:
        kind: How sets are formed.
        error_rate: Share of slides whose set may lack the true class.
        thresholds: Largest score of each class that is still in; None: always in.
    """

    kind: SetKind
    error_rate: float
    thresholds: tuple[float | None, ...]

    def __post_init__(self) -> None:
        """Refuse rates that promise nothing."""
        if not 0 < self.error_rate < 1:
            raise InvalidValueError("error rate", found=self.error_rate, allowed="above 0, below 1")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> PredictionSets:
        """As it is read from a bundle."""
        return cls(SetKind(raw["kind"]), raw["error_rate"], tuple(raw["thresholds"]))

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        return asdict(self) | {"kind": self.kind.value}

    def contains(self, probabilities: Probabilities) -> NDArray[np.bool_]:
        """Which classes are in each slide's set, ``(N, K)`` bool.

        Raises:
            InvalidValueError: They are no probabilities of as many classes.
        """
        rows = check_probabilities(probabilities, len(self.thresholds))
        limits = [math.inf if t is None else t for t in self.thresholds]
        return np.asarray(_SCORES[self.kind](rows) <= limits)


def calibrate_sets(
    probabilities: Probabilities, truth: ArrayLike, *, error_rate: float, kind: SetKind
) -> PredictionSets:
    """The smallest sets that keep the rate.

    Args:
        probabilities: ``(N, K)`` of validation slides.
        truth: ``(N,)`` their true classes.
        error_rate: E.g. 0.1.
        kind: How sets are formed.

    Raises:
        InvalidValueError: The arrays do not fit together.
    """
    rows = check_probabilities(probabilities)
    classes = rows.shape[1]
    true = check_truth(truth, len(rows), classes)
    scores = _SCORES[kind](rows)[np.arange(len(rows)), true]
    if kind is SetKind.ORDINAL:
        limits = [_conformal_quantile(scores, error_rate)] * classes
    else:
        limits = [_conformal_quantile(scores[true == k], error_rate) for k in range(classes)]
    return PredictionSets(kind, error_rate, tuple(limits))


def _conformal_quantile(scores: NDArray[np.float64], error_rate: float) -> float | None:
    """The ⌈(n + 1)(1 − α)⌉-th smallest score; None where there are fewer."""
    rank = math.ceil(round((len(scores) + 1) * (1 - error_rate), 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def _one_minus(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - rows


def _mass_before(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that the growing interval holds before it takes in each class, ``(N, K)``."""
    count, classes = rows.shape
    index = np.arange(count)
    # A border of -1 on both sides is never the likelier neighbour.
    padded = np.pad(rows, ((0, 0), (1, 1)), constant_values=-1.0)
    left = right = rows.argmax(axis=1) + 1
    mass = padded[index, left]
    scores = np.zeros((count, classes))
    for _ in range(classes - 1):
        leftward = padded[index, left - 1] > padded[index, right + 1]
        left, right = left - leftward, right + ~leftward
        taken = np.where(leftward, left, right)
        scores[index, taken - 1] = mass
        mass = mass + padded[index, taken]
    return scores


_SCORES: Mapping[SetKind, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    SetKind.BY_CLASS: _one_minus,
    SetKind.ORDINAL: _mass_before,
}


@dataclass(frozen=True, slots=True)
class SetCheck:
    """What sets did on slides that they were not calibrated on.

    Args:
        covered: Slides whose set holds the true class.
        covered_by_class: The same for the slides of each true class.
        mean_size: Classes per set.
        sizes: Slides with a set of 0, 1, … K classes.
    """

    covered: Share
    covered_by_class: tuple[Share, ...]
    mean_size: float
    sizes: tuple[int, ...]


def check_sets(sets: PredictionSets, probabilities: Probabilities, truth: ArrayLike) -> SetCheck:
    """Verify sets on held-out slides.

    Raises:
        InvalidValueError: The arrays do not fit together.
    """
    inside = sets.contains(probabilities)
    count, classes = inside.shape
    true = check_truth(truth, count, classes)
    hit = inside[np.arange(count), true]
    sizes = inside.sum(axis=1)
    return SetCheck(
        covered=Share(int(hit.sum()), count),
        covered_by_class=tuple(
            Share(int(hit[true == k].sum()), int((true == k).sum())) for k in range(classes)
        ),
        mean_size=float(sizes.mean()) if count else math.nan,
        sizes=tuple(np.bincount(sizes, minlength=classes + 1).tolist()),
    )
