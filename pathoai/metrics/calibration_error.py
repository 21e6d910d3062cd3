"""Confidence against what came true, in counts that can be summed over slides and resampled.

Expected calibration error: Naeini MP, Cooper G, Hauskrecht M. AAAI 2015, in bins of equal width, as
:func:`pathoai.models.calibration.measure_reliability` has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.confusion import quotient

BINS = 15


def reliability_counts(
    probabilities: NDArray[np.floating[Any]],
    truth: ArrayLike,
    item: ArrayLike | None = None,
    *,
    items: int = 1,
    bins: int = BINS,
) -> NDArray[np.float64]:
    """How many fell into each bin, their summed confidence, and how many were right.

    Args:
        probabilities: ``(n, K)`` of pixels or slides.
        truth: ``(n,)`` true classes.
        item: ``(n,)`` which slide each belongs to; all to the first where None.
        items: N, number of slides.
        bins: B, of the winning probability.

    Returns:
        ``(N, B, 3)`` float64.
    """
    rows = np.asarray(probabilities)
    confidence = rows.max(axis=1) if len(rows) else np.empty(0)
    right = rows.argmax(axis=1) == np.asarray(truth) if len(rows) else np.empty(0)
    owner = np.zeros(len(rows), np.int64) if item is None else np.asarray(item, np.int64)
    place = owner * bins + (confidence * bins).astype(np.int64).clip(0, bins - 1)
    columns = [
        np.bincount(place, weights=w, minlength=items * bins)
        for w in (np.ones(len(rows)), confidence.astype(np.float64), right.astype(np.float64))
    ]
    return np.stack(columns, axis=-1).astype(np.float64).reshape(items, bins, 3)


def expected_calibration_error(counts: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean distance of confidence and accuracy, weighted by count, ``(…,)`` from ``(…, B, 3)``."""
    sums = np.asarray(counts, np.float64)
    return quotient(np.abs(sums[..., 1] - sums[..., 2]).sum(-1), sums[..., 0].sum(-1))
