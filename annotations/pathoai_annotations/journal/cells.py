"""Where a rectangle lies, as one number, so that any database can index it.

A quadtree over the plane: each rectangle belongs to the smallest cell that holds it whole. Cells
are numbered in pre-order, so that a cell and all below it are one range of numbers, and what may
touch a view is a few ranges: the cells in the view, and those above them.

Source: MX-CIF quadtree, H. Samet, Foundations of Multidimensional and Metric Data Structures, 2006,
§3.4.1; the numbering is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Region

_DEPTH = 14
_SMALLEST_PX = 128
_ACROSS = 2**_DEPTH
# Level-0 coordinates start at 0, so the origin is a corner of the second level; outlines may stick
# out to the left and above. The widest canvas known is 294,038 px: a quarter of what is covered.
_ORIGIN = -_ACROSS // 2
_SIZES = [(4 ** (_DEPTH - level + 1) - 1) // 3 for level in range(_DEPTH + 2)]
"""Number of cells of a subtree whose root is at a level."""

Range = tuple[int, int]


def cells_of(bounds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cell of each rectangle.

    Args:
        bounds: ``(N, 4)``: left, top, right and bottom, level-0 pixels; one that reaches beyond
            ± 1,048,576 px is of the root, which every view looks at.

    Returns:
        ``(N,)`` numbers.
    """
    leaf = np.floor(bounds / _SMALLEST_PX) - _ORIGIN
    is_inside = ((leaf >= 0) & (leaf < _ACROSS)).all(axis=1)
    left, top, right, bottom = np.where(is_inside[:, None], leaf, 0).astype(np.int64).T
    # How many of the last binary digits differ is how far above the leaves both corners meet.
    apart = np.frexp(((left ^ right) | (top ^ bottom)).astype(np.float64))[1]
    level = np.where(is_inside, _DEPTH - apart, 0)
    number = np.zeros(len(bounds), np.int64)
    for depth in range(1, _DEPTH + 1):
        shift = _DEPTH - depth
        quadrant = (top >> shift & 1) * 2 + (left >> shift & 1)
        number += np.where(depth <= level, 1 + quadrant * _SIZES[depth], 0)
    return number


def cells_touching(region: Region) -> list[Range]:
    """Cells whose rectangles may touch a region, as few ranges of numbers, ends included."""
    corners = np.array([region.x, region.y, region.right, region.bottom])
    leaf = np.clip(np.floor(corners / _SMALLEST_PX) - _ORIGIN, 0, _ACROSS - 1).astype(int)
    x0, y0, x1, y1 = (int(value) for value in leaf)
    # Finer cells than half the region would make many ranges and leave out little more.
    finest = max(1, max(x1 - x0, y1 - y0) // 2)
    found: list[Range] = []

    def visit(number: int, level: int, x: int, y: int) -> None:
        side = _ACROSS >> level
        if x > x1 or y > y1 or x + side <= x0 or y + side <= y0:
            return
        if side <= finest or level == _DEPTH:
            found.append((number, number + _SIZES[level] - 1))
            return
        found.append((number, number))
        half = side // 2
        for quadrant in range(4):
            child = number + 1 + quadrant * _SIZES[level + 1]
            visit(child, level + 1, x + quadrant % 2 * half, y + quadrant // 2 * half)

    visit(0, 0, 0, 0)
    return _joined(found)


def _joined(ranges: list[Range]) -> list[Range]:
    """Ranges in rising order, with those that follow one another made one."""
    joined = ranges[:1]
    for first, last in ranges[1:]:
        if first == joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
