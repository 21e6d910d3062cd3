"""Flooding a map to some depth below its summits, as reconstruction by dilation has it.

What is left of a flooded map is, at each pixel, the greatest level ``min(map along the way, map at
its start - depth)`` of all ways through 8-neighbours that lead there (Vincent L. Morphological
grayscale reconstruction in image analysis. IEEE Trans Image Process 1993). Pixels are not flooded
one by one: each belongs to the top on which the steepest ascent from it ends, and between two tops
only the highest pass counts. Since an ascent is nowhere lower than its start, levels stay the same
bit by bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Edges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
_BEFORE = ((-1, -1), (-1, 0), (-1, 1), (0, -1))
_AFTER = ((0, 1), (1, -1), (1, 0), (1, 1))


def flooded(height: NDArray[np.float32], depth: float) -> NDArray[np.float32]:
    """Reconstruct ``height - depth`` by dilation under ``height``, over 3 × 3 neighbours.

    Args:
        height: ``(H, W)`` float32, finite.
        depth: How far below the summits; 0 or more.

    Returns:
        ``(H, W)`` float32.
    """
    if not height.size:
        return height.copy()
    tops, nearest = _tops(height)
    levels = height.ravel()[tops] - np.float32(depth)
    levels = _levelled(levels, _passes(height, nearest, levels))
    return np.minimum(height, levels[nearest])


def _tops(height: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Positions of the tops in the raveled map, and the top that each pixel ascends to."""
    position = np.arange(height.size, dtype=np.int32).reshape(height.shape)
    highest, goal = height.copy(), position.copy()
    for dy, dx in (*_BEFORE, *_AFTER):
        here, there = _shifted(height.shape, dy, dx)
        best, found = highest[here], height[there]
        higher = found > best
        if (
            dy,
            dx,
        ) in _BEFORE:  # of a plateau every pixel goes to an earlier one: no way in circles
            higher |= (found == best) & (goal[here] > position[there])
        np.copyto(best, found, where=higher)
        np.copyto(goal[here], position[there], where=higher)
    ascent = goal.ravel()
    while not np.array_equal(further := ascent[ascent], ascent):
        ascent = further
    tops = np.flatnonzero(ascent == position.ravel())
    number = np.zeros(height.size, np.int32)
    number[tops] = np.arange(len(tops), dtype=np.int32)
    return tops, number[ascent].reshape(height.shape)


def _shifted(
    shape: tuple[int, ...], dy: int, dx: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour at that offset, and those neighbours."""
    height, width = shape
    return (
        np.s_[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)],
        np.s_[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)],
    )


def _passes(
    height: NDArray[np.float32], nearest: NDArray[np.int32], levels: NDArray[np.float32]
) -> _Edges:
    """Where one ascends to one top on this side and to another on that: both, and the height."""
    found: list[_Edges] = []
    for dy, dx in _AFTER:
        here, there = _shifted(height.shape, dy, dx)
        differ = nearest[here] != nearest[there]
        edges = (
            nearest[here][differ],
            nearest[there][differ],
            np.minimum(height[here][differ], height[there][differ]),
        )
        found.append(_open(levels, edges))
    one, other, heights = zip(*found, strict=True)
    return np.concatenate(one), np.concatenate(other), np.concatenate(heights)


def _open(levels: NDArray[np.float32], edges: _Edges) -> _Edges:
    """Passes that lie higher than the flood on one of their sides: the others move nothing."""
    one, other, heights = edges
    keep = heights > np.minimum(levels[one], levels[other])
    return one[keep], other[keep], heights[keep]


def _levelled(levels: NDArray[np.float32], edges: _Edges) -> NDArray[np.float32]:
    """Let the flood through every pass until nothing rises."""
    while True:
        one, other, heights = edges
        before = levels.copy()
        np.maximum.at(levels, one, np.minimum(heights, before[other]))
        np.maximum.at(levels, other, np.minimum(heights, before[one]))
        if np.array_equal(levels, before):
            return levels
        edges = _open(levels, edges)
