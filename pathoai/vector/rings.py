"""From the corners of regions to their outlines: closed rings, the outer one before the holes.

Along a row a region's corners are joined two by two, and so they are along a column: the pairs are
neighbours once corners are sorted. Walking from pair to pair gives the rings. All are walked at
once by pointer jumping (Wyllie JC, The complexity of parallel computations, 1979): the number of
steps is the logarithm of the longest ring's length.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.vector.corners import Corners

_Indices = NDArray[np.int64]


def outlines_of(corners: Corners, count: int) -> tuple[NDArray[np.object_], Corners]:
    """The outline of each region, with its holes, valid as the OGC defines it.

    A ring begins at its first corner that leaves along a row, from the top, then from the left: so
    the order of the corners leaves no trace.

    Args:
        corners: All corners of regions 0 to ``count`` - 1, in any order.
        count: How many regions there are.

    Returns:
        ``(count,)`` polygons, and the last corner of each from the top, then from the left.
    """
    if not count:
        return np.empty(0, object), corners
    corners = corners.of(_in_rows(corners))
    turned = _apart_where_pixels_touch(corners)
    # Pairs along a row are neighbours in this order: the partner of i is i ^ 1.
    partner = _partners_in_columns(turned)
    tail = np.flatnonzero(turned.leaves_along_row)
    place = np.empty(len(turned), np.int64)
    place[tail] = np.arange(len(tail))
    order, length = _walked(place[partner[tail ^ 1]])
    tail = tail[order]
    points = np.empty((2 * len(tail), 2))
    for side, at in enumerate((tail, tail ^ 1)):
        points[side::2, 0], points[side::2, 1] = turned.x[at], turned.y[at]
    ring_of_point = np.repeat(np.arange(len(length)), 2 * length)
    rings = shapely.linearrings(points, indices=ring_of_point)
    first = np.cumsum(length) - length
    # The first corner of a region lies on its outer ring, so that one comes first.
    outlines = shapely.polygons(rings, indices=turned.region[tail[first]])
    last = np.flatnonzero(np.diff(turned.region, append=count))
    return outlines, turned.of(last)


def _in_rows(corners: Corners) -> _Indices:
    """The order by region, then from the top, from the left, and what ends before what begins."""
    return _sorted(corners.region, corners.y, corners.x, corners.goes_right)


def _sorted(
    region: _Indices, line: _Indices, along: _Indices, goes_on: NDArray[np.bool_]
) -> _Indices:
    """The order by all four; as one number, which is sorted several times as fast."""
    low, high = along.min(), along.max() + 1
    first, last = line.min(), line.max() + 1
    key = region * (last - first) + (line - first)
    return np.asarray(np.argsort((key * (high - low) + (along - low)) * 2 + goes_on))


def _apart_where_pixels_touch(corners: Corners) -> Corners:
    """Where pixels of a region touch at a corner only, the outline turns around what is outside.

    So no ring touches itself: an outer ring and a hole, or two holes, meet in a point instead.
    """
    same = (
        (corners.region[1:] == corners.region[:-1])
        & (corners.x[1:] == corners.x[:-1])
        & (corners.y[1:] == corners.y[:-1])
    )
    twice = np.append(same, False) | np.insert(same, 0, False)
    return corners.going_down(
        np.where(twice, corners.leaves_along_row ^ corners.goes_right, corners.goes_down)
    )


def _partners_in_columns(corners: Corners) -> _Indices:
    """The other end of each corner's edge along the column."""
    order = _sorted(corners.region, corners.x, corners.y, corners.goes_down)
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner


def _walked(after: _Indices) -> tuple[_Indices, _Indices]:
    """All rings, each from its least member on.

    Args:
        after: ``(n,)``: what follows each member of a ring.

    Returns:
        The members ``(n,)``, ring by ring, and the length of each ring; rings in the order of their
        least members.
    """
    least, jump = np.arange(len(after)), after
    while not np.array_equal(lower := np.minimum(least, least[jump]), least):
        least, jump = lower, jump[jump]
    is_least = least == np.arange(len(after))
    left = np.where(is_least, 0, 1)
    jump = np.where(is_least, least, after)
    while not is_least[jump].all():
        left, jump = left + left[jump], jump[jump]
    ring = (np.cumsum(is_least) - 1)[least]
    length = np.bincount(ring)
    first = np.cumsum(length) - length
    order = np.empty_like(after)
    order[first[ring] + (length[ring] - left) % length[ring]] = np.arange(len(after))
    return order, length
