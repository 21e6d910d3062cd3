"""Sensitivity and specificity at a threshold that was set before the test was looked at.

A threshold chosen on the slides that it is then judged on flatters the model. It is chosen on
validation slides here; on the test slides neither rate is what was aimed at, and both are reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.confusion import quotient

Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A case is what scores the threshold or more.

    Args:
        aim: What was aimed at on the validation slides, e.g. ``specificity ≥ 0.95``.
        threshold: Infinite where only calling nothing a case reaches the aim.
    """

    aim: str
    threshold: float

    def rates(
        self, scores: Scores, positive: ArrayLike, weights: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Sensitivity and specificity, ``(…, 2)``; NaN without cases or without controls.

        Args:
            scores: ``(N,)``.
            positive: ``(N,)`` bool.
            weights: ``(…, N)``, how often each item counts; once each where None.
        """
        said = np.asarray(scores) >= self.threshold
        cases = np.asarray(positive, bool)
        every = np.ones(len(said)) if weights is None else np.asarray(weights, np.float64)
        sensitivity = quotient(every @ (said & cases), every @ cases)
        specificity = quotient(every @ (~said & ~cases), every @ ~cases)
        return np.stack([sensitivity, specificity], axis=-1)


def at_specificity(scores: Scores, positive: ArrayLike, specificity: float) -> OperatingPoint:
    """The lowest threshold that keeps the specificity on validation slides.

    Raises:
        InvalidValueError: There are no controls, or the specificity is outside 0 to 1.
    """
    controls = np.sort(np.asarray(scores, np.float64)[~np.asarray(positive, bool)])
    _check(len(controls), "controls", specificity)
    # Controls below the threshold are called rightly; so many must be below it.
    needed = int(np.ceil(round(specificity * len(controls), 9)))
    if needed == 0:
        return OperatingPoint(f"specificity ≥ {specificity:g}", -np.inf)
    last = controls[needed - 1]
    above = np.asarray(scores, np.float64)
    above = above[above > last]
    threshold = float(above.min()) if len(above) else np.inf
    return OperatingPoint(f"specificity ≥ {specificity:g}", threshold)


def at_sensitivity(scores: Scores, positive: ArrayLike, sensitivity: float) -> OperatingPoint:
    """The highest threshold that keeps the sensitivity on validation slides.

    Raises:
        InvalidValueError: There are no cases, or the sensitivity is outside 0 to 1.
    """
    cases = np.sort(np.asarray(scores, np.float64)[np.asarray(positive, bool)])[::-1]
    _check(len(cases), "cases", sensitivity)
    needed = int(np.ceil(round(sensitivity * len(cases), 9)))
    threshold = float(cases[needed - 1]) if needed else np.inf
    return OperatingPoint(f"sensitivity ≥ {sensitivity:g}", threshold)


def _check(count: int, what: str, rate: float) -> None:
    if not count or not 0 <= rate <= 1:
        raise InvalidValueError(
            "a threshold is set on validation slides",
            found=f"{count} {what}, aim {rate:g}",
            allowed=f"one or more {what}, an aim from 0 to 1",
        )
