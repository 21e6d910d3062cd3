"""Corners of regions of pixels: the points at which their outlines turn.

A corner lies where four pixels meet. Of a region it is convex if the region holds one of them and
neither of that one's neighbours, concave if it holds all but one; where the region holds two that
touch at the corner only, it has two convex corners there. An outline is walked with the region on
its right hand, on a picture whose y points down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.pixel_regions import NOWHERE, PixelRegions

_RIGHT, _DOWN, _ALONG_ROW = 1, 2, 4
"""Of a corner: its row edge goes right, its column edge goes down, one leaves it along the row."""
_BESIDE, _ACROSS, _OPPOSITE = 1, 2, 3
"""From one of four pixels (0 top left, 1 top right, 2 bottom left, 3 bottom right) to another."""

_Numbers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Corners:
    """Corners in columns.

    Args:
        region: ``(n,)`` int64.
        x: ``(n,)`` int64, on edges of pixels.
        y: Likewise.
        bends: ``(n,)`` uint8: how the outline turns there.
    """

    region: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    bends: NDArray[np.uint8]

    def __len__(self) -> int:
        """How many."""
        return len(self.region)

    @property
    def goes_right(self) -> NDArray[np.bool_]:
        """Whether the edge along the row lies right of the corner, else left."""
        return (self.bends & _RIGHT).astype(np.bool_)

    @property
    def goes_down(self) -> NDArray[np.bool_]:
        """Whether the edge along the column lies below the corner, else above."""
        return (self.bends & _DOWN).astype(np.bool_)

    @property
    def leaves_along_row(self) -> NDArray[np.bool_]:
        """Whether the outline arrives along the column and leaves along the row."""
        return (self.bends & _ALONG_ROW).astype(np.bool_)

    def going_down(self, down: NDArray[np.bool_]) -> Self:
        """The same, with their edges along the column below them where ``down`` says so."""
        bends = self.bends & ~np.uint8(_DOWN) | np.where(down, np.uint8(_DOWN), np.uint8(0))
        return type(self)(self.region, self.x, self.y, bends)

    def of(self, chosen: NDArray[Any]) -> Self:
        """Some of them."""
        return type(self)(self.region[chosen], self.x[chosen], self.y[chosen], self.bends[chosen])

    def renumbered(self, number: _Numbers) -> Self:
        """The same of other regions: ``number[i]`` instead of i; those that are nowhere go."""
        region = number[self.region].astype(np.int64)
        renumbered = type(self)(region, self.x, self.y, self.bends)
        return renumbered if (region >= 0).all() else renumbered.of(region >= 0)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """All of several."""
        return cls(
            *(
                np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])
                for name, dtype in (
                    ("region", np.int64),
                    ("x", np.int64),
                    ("y", np.int64),
                    ("bends", np.uint8),
                )
            )
        )


def corners_of(regions: PixelRegions, origin_px: tuple[int, int]) -> Corners:
    """The corners of a block's regions, as if there were nothing around it.

    Every corner lies where a run begins, in the row above it or below, or at the end of a row.

    Args:
        regions: Of the block.
        origin_px: x and y of the block in its raster.
    """
    parts = [_where_runs_begin(regions), _below_runs(regions), _at_ends_of_rows(regions)]
    points = np.concatenate(parts, axis=1)
    x, y, *pixels = points
    top_left, top_right, bottom_left, bottom_right = pixels
    return corners_between(
        (top_left, top_right, bottom_left, bottom_right), x + origin_px[0], y + origin_px[1]
    )


_Points = NDArray[np.int64]
"""``(6, n)``: x, y and the regions top left, top right, bottom left and bottom right."""


def _where_runs_begin(regions: PixelRegions) -> _Points:
    """The upper left corners of the first pixels of runs."""
    start, number, width = regions.start, regions.number, regions.shape[1]
    y, x = np.divmod(start, width)
    above = np.searchsorted(start, start - width, side="right") - 1
    left = np.where(start[above] == start - width, above - 1, above)
    is_inner, has_above = x > 0, y > 0
    return np.stack(
        [
            x,
            y,
            np.where(is_inner & has_above, number[left], NOWHERE),
            np.where(has_above, number[above], NOWHERE),
            np.where(is_inner, number[np.arange(len(start)) - 1], NOWHERE),
            number,
        ]
    )


def _below_runs(regions: PixelRegions) -> _Points:
    """The lower left corners of the first pixels of runs, below which no run begins."""
    start, number, (height, width) = regions.start, regions.number, regions.shape
    below = np.searchsorted(start, start + width, side="right") - 1
    is_last = start >= (height - 1) * width
    one = np.flatnonzero(is_last | (start[below] != start + width))
    y, x = np.divmod(start[one], width)
    under = np.where(is_last[one], NOWHERE, number[below[one]])
    left = np.where(x > 0, number[one - 1], NOWHERE)
    return np.stack([x, y + 1, left, number[one], under, under])


def _at_ends_of_rows(regions: PixelRegions) -> _Points:
    """The right edge of the block."""
    _, last, _, _ = regions.sides()
    height, width = regions.shape
    nothing = np.full(height + 1, NOWHERE, np.int64)
    above, below = nothing.copy(), nothing.copy()
    above[1:], below[:-1] = last, last
    y = np.arange(height + 1)
    return np.stack([np.full(height + 1, width), y, above, nothing, below, nothing])


def corners_between(
    pixels: tuple[_Numbers, _Numbers, _Numbers, _Numbers],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
) -> Corners:
    """The corners at points of which the four pixels around are known.

    Args:
        pixels: The regions top left, top right, bottom left, bottom right of each point, ``(n,)``.
        x: Of the points, ``(n,)``.
        y: Likewise.
    """
    found = []
    for at, own in enumerate(pixels):
        beside, across = pixels[at ^ _BESIDE], pixels[at ^ _ACROSS]
        convex = (own >= 0) & (own != beside) & (own != across)
        concave = (beside >= 0) & (beside == across) & (own != beside)
        concave &= beside == pixels[at ^ _OPPOSITE]
        on_diagonal = at in (0, _OPPOSITE)
        for is_one, region, along_row in (
            (convex, own, on_diagonal),
            (concave, beside, not on_diagonal),
        ):
            one = np.flatnonzero(is_one)
            bends = np.full(len(one), at | _ALONG_ROW * along_row, np.uint8)
            found.append(Corners(region[one].astype(np.int64), x[one], y[one], bends))
    return Corners.joined(found)
