"""How well the outlines of two readers match one by one: object F1 and panoptic quality.

Kirillov A, He K, Girshick R, Rother C, Dollár P. Panoptic segmentation. CVPR 2019. Two outlines can
match where their intersection over union, of exact areas, is above the threshold. What one reader
outlined may overlap, so an outline can have several candidates: matches are then those, one per
outline, whose sum is greatest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

from pathoai.metrics.panoptic import ObjectCounts, best_pairs

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class MatchedOutlines:
    """Which outlines of two readers are of the same object.

    Args:
        pairs: ``(P, 2)`` int64 positions among the first's and the second's outlines.
        iou: ``(P,)`` intersection over union of each pair.
        sizes: How many outlines each reader has.
    """

    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    sizes: tuple[int, int]

    @property
    def counts(self) -> ObjectCounts:
        """Matched, and those of the second and of the first reader without a match."""
        first, second = self.sizes
        number = len(self.pairs)
        values = number, second - number, first - number, float(self.iou.sum())
        return ObjectCounts(*(np.asarray(value, np.float64) for value in values))

    def unmatched(self, reader: int) -> NDArray[np.int64]:
        """Positions of one reader's outlines without a match; 0 for the first, 1 the second."""
        return np.setdiff1d(np.arange(self.sizes[reader]), self.pairs[:, reader])


def match_outlines(
    first: Iterable[BaseGeometry], second: Iterable[BaseGeometry], *, threshold: float = THRESHOLD
) -> MatchedOutlines:
    """Match polygons of two readers on one slide, whatever their class.

    Args:
        first: Valid polygons, any frame.
        second: Likewise, in the same frame.
        threshold: Intersection over union above which two can match; 0 to below 1.
    """
    ones, others = (np.array(list(found), object) for found in (first, second))
    sizes = len(ones), len(others)
    if not all(sizes):
        return MatchedOutlines(np.empty((0, 2), np.int64), np.empty(0), sizes)
    left, right = STRtree(others).query(ones, predicate="intersects")
    shared = shapely.area(shapely.intersection(ones[left], others[right]))
    both = shapely.area(ones[left]) + shapely.area(others[right]) - shared
    iou = np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)
    close = iou > threshold
    pairs = np.stack([left[close], right[close]], axis=1).astype(np.int64)
    return _one_each(pairs, iou[close], sizes)


def _one_each(
    pairs: NDArray[np.int64], iou: NDArray[np.float64], sizes: tuple[int, int]
) -> MatchedOutlines:
    """Of the candidates those, one per outline, whose sum is greatest."""
    if len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs):
        return MatchedOutlines(pairs, iou, sizes)
    total = sum(sizes)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], sizes[0] + pairs[:, 1])), (total, total))
    # Outlines that share no candidate, even through others, are matched by themselves.
    _, group = connected_components(links, directed=False)
    of_pair = group[pairs[:, 0]]
    order = np.argsort(of_pair, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(of_pair[order])) + 1)
    chosen = [
        part if len(part) == 1 else part[best_pairs(pairs[part], iou[part])] for part in parts
    ]
    kept = np.sort(np.concatenate(chosen))
    return MatchedOutlines(pairs[kept], iou[kept], sizes)
