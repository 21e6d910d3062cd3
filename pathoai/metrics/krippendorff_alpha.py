"""Krippendorff's alpha: agreement beyond chance of readers who need not have read everything.

Krippendorff K. Content analysis: an introduction to its methodology. 3rd ed. Sage 2013, chapter 12;
in steps: Krippendorff K. Computing Krippendorff's alpha-reliability. University of Pennsylvania
2011. All of it rests on coincidences: pairs of values that two readers gave one item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.confusion import quotient

Level = Literal["nominal", "ordinal", "interval"]
"""What values mean: names; ranks; numbers whose differences count."""

MISSING = -1
"""In the table of values: this reader did not read this item."""


def coincidences(values: ArrayLike, *, classes: int) -> NDArray[np.float64]:
    """Pairs of values within each item, ``(N, K, K)``; they can be summed over items.

    Args:
        values: ``(N, R)`` whole numbers: the class that each reader gave, 0 to K − 1, or -1 where
            he did not read the item. Items that fewer than two read give no pairs.
        classes: K.
    """
    table = np.asarray(values, np.int64)
    counts = (table[:, :, None] == np.arange(classes)).sum(axis=1).astype(np.float64)
    readers = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    place = np.arange(classes)
    pairs[:, place, place] -= counts
    return np.asarray(pairs / np.maximum(readers - 1, 1)[:, None, None])


def krippendorff_alpha(
    coincidence: ArrayLike, level: Level, *, scale: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Alpha of summed coincidences, ``(…,)``; NaN where all values are the same, or none.

    Args:
        coincidence: ``(…, K, K)``, see :func:`coincidences`.
        level: What the values mean.
        scale: The number that each class stands for, for ``interval``; its position where None.
    """
    counts = np.asarray(coincidence, np.float64)
    marginal = counts.sum(-1)
    total = marginal.sum(-1)
    apart = _difference(marginal, level, scale)
    observed = (counts * apart).sum((-2, -1))
    expected = np.einsum("...c,...k,...ck->...", marginal, marginal, apart)
    return 1 - quotient((total - 1) * observed, expected)


def _difference(
    marginal: NDArray[np.float64], level: Level, scale: Sequence[float] | None
) -> NDArray[np.float64]:
    """Squared distance of each pair of classes, ``(…, K, K)``."""
    classes = marginal.shape[-1]
    place = np.arange(classes)
    if level == "nominal":
        return np.asarray(place[:, None] != place, np.float64)
    if level == "interval":
        numbers = np.asarray(place if scale is None else scale, np.float64)
        return np.asarray((numbers[:, None] - numbers) ** 2)
    # Of ranks: how many values lie between the two, half of their own included.
    upto = np.cumsum(marginal, axis=-1)
    middle = upto - marginal / 2
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)
