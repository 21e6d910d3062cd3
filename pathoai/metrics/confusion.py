"""How often each class was said where each was true; most other metrics follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.class_probabilities import check_truth

Counts = NDArray[np.integer] | NDArray[np.floating]
"""``(…, K, K)``, truth by decision; the leading axes are slides or resamples."""


def confusion_by_item(truth: ArrayLike, decided: ArrayLike, *, classes: int) -> NDArray[np.int64]:
    """One matrix per item, ``(N, K, K)`` int64, each with a single 1; their sum is the confusion.

    Args:
        truth: ``(N,)`` true classes.
        decided: ``(N,)`` decisions.
        classes: K.

    Raises:
        InvalidValueError: Another length, or a class that does not exist.
    """
    count = len(np.asarray(truth))
    true = check_truth(truth, count, classes)
    said = check_truth(decided, count, classes)
    found = np.zeros((count, classes, classes), np.int64)
    found[np.arange(count), true, said] = 1
    return found


def quotient(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    """Elementwise quotient in float64; NaN, without a warning, where the divisor is 0."""
    numerator, divisor = np.asarray(above, np.float64), np.asarray(below, np.float64)
    shape = np.broadcast_shapes(numerator.shape, divisor.shape)
    found = np.full(shape, np.nan)
    np.divide(numerator, divisor, out=found, where=divisor != 0)
    return found


def mean_of_known(values: ArrayLike) -> NDArray[np.float64]:
    """Mean over the last axis of what is a number; NaN where nothing is."""
    found = np.asarray(values, np.float64)
    exists = ~np.isnan(found)
    return quotient(np.where(exists, found, 0.0).sum(-1), exists.sum(-1))
