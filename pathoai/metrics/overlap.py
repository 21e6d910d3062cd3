"""Dice and intersection over union per class, from confusion counts.

Pooled values come from the sum of all slides' counts, per-slide values from each slide's own.
Pixels that nobody assessed (255) are in no count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.confusion import Counts, quotient


def dice(confusion: Counts) -> NDArray[np.float64]:
    """Twice the overlap over the sum of both areas, ``(…, K)``; NaN where the class is nowhere.

    Dice LR. Measures of the amount of ecologic association between species. Ecology 1945.

    Args:
        confusion: ``(…, K, K)`` pixels, truth by decision.
    """
    overlap, areas = _areas(confusion)
    return quotient(2 * overlap, areas)


def intersection_over_union(confusion: Counts) -> NDArray[np.float64]:
    """The overlap over the area of both together, ``(…, K)``; NaN where the class is nowhere.

    Jaccard P. The distribution of the flora in the alpine zone. New Phytologist 1912.

    Args:
        confusion: ``(…, K, K)`` pixels, truth by decision.
    """
    overlap, areas = _areas(confusion)
    return quotient(overlap, areas - overlap)


def _areas(confusion: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts = np.asarray(confusion, np.float64)
    overlap = np.diagonal(counts, axis1=-2, axis2=-1)
    return overlap, counts.sum(-1) + counts.sum(-2)
