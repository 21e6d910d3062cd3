"""How well decisions agree with the truth, from confusion counts.

Kappa: Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960; with linear
and quadratic weights: Cohen J. Weighted kappa. Psychol Bull 1968.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.confusion import Counts, quotient

Weights = Literal["equal", "linear", "quadratic"]
"""How a disagreement weighs: each the same, by its distance, or by the square of it."""


def accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Share of right decisions, ``(…,)``, from ``(…, K, K)``."""
    counts = np.asarray(confusion, np.float64)
    return quotient(np.trace(counts, axis1=-2, axis2=-1), counts.sum((-2, -1)))


def recall(confusion: Counts) -> NDArray[np.float64]:
    """Share of each true class that was recognised, ``(…, K)``; NaN where there is none of it."""
    counts = np.asarray(confusion, np.float64)
    return quotient(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1))


def precision(confusion: Counts) -> NDArray[np.float64]:
    """Share of each decision that was right, ``(…, K)``; NaN where it was never taken."""
    counts = np.asarray(confusion, np.float64)
    return quotient(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-2))


def balanced_accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Mean recall of the classes that occur, ``(…,)``, from ``(…, K, K)``."""
    found = recall(confusion)
    occurs = ~np.isnan(found)
    return quotient(np.where(occurs, found, 0.0).sum(-1), occurs.sum(-1))


def kappa(confusion: Counts, *, weights: Weights = "equal") -> NDArray[np.float64]:
    """Agreement beyond chance, ``(…,)``, from ``(…, K, K)``; NaN where chance cannot disagree.

    Args:
        confusion: Counts, truth by decision, or one reader by another.
        weights: Of a disagreement; ``linear`` and ``quadratic`` are for ordered classes.
    """
    counts = np.asarray(confusion, np.float64)
    cost = disagreement_weights(counts.shape[-1], weights)
    total = counts.sum((-2, -1))
    chance = np.einsum("...i,...j,ij->...", counts.sum(-1), counts.sum(-2), cost)
    return 1 - quotient((counts * cost).sum((-2, -1)) * total, chance)


def disagreement_weights(classes: int, weights: Weights) -> NDArray[np.float64]:
    """What each pair of classes counts as a disagreement, ``(K, K)``, 0 on the diagonal.

    Args:
        classes: K.
        weights: See :data:`Weights`.
    """
    place = np.arange(classes)
    distance: NDArray[np.float64] = np.abs(place[:, None] - place).astype(np.float64)
    match weights:
        case "equal":
            return np.asarray(distance > 0, np.float64)
        case "linear":
            return distance
        case "quadratic":
            return np.asarray(distance**2)
