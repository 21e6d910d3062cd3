"""How well decisions agree with the truth, from confusion counts.

Kappa: Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960; with
quadratic weights: Cohen J. Weighted kappa. Psychol Bull 1968.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai_training.metrics.confusion import Counts, quotient


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


def kappa(confusion: Counts, *, quadratic: bool = False) -> NDArray[np.float64]:
    """Agreement beyond chance, ``(…,)``, from ``(…, K, K)``; NaN where chance cannot disagree.

    Args:
        confusion: Counts, truth by decision.
        quadratic: Weigh a disagreement by the square of its distance, for ordered classes.
    """
    counts = np.asarray(confusion, np.float64)
    place = np.arange(counts.shape[-1])
    distance = np.abs(place[:, None] - place).astype(np.float64)
    weights = distance**2 if quadratic else (distance > 0).astype(np.float64)
    total = counts.sum((-2, -1))
    chance = np.einsum("...i,...j,ij->...", counts.sum(-1), counts.sum(-2), weights)
    return 1 - quotient((counts * weights).sum((-2, -1)) * total, chance)
