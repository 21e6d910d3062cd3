"""The regions of a block of a raster: those that end within it, and what is known of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.corners import Corners, corners_of
from pathoai.vector.outlined_regions import NO_WEIGHTS, OutlinedRegions, RegionSums
from pathoai.vector.pixel_regions import PixelRegions, positions_of

_Line = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a block lies in its raster.

    Args:
        x: Its left edge, in pixels of the raster.
        y: Its top edge.
        right: Its right edge.
        bottom: Its bottom edge.
        shape: Height and width of the raster.
    """

    x: int
    y: int
    right: int
    bottom: int
    shape: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        return self.bottom - self.y, self.right - self.x

    @property
    def rows(self) -> slice:
        """Its rows of pixels."""
        return slice(self.y, self.bottom)

    @property
    def columns(self) -> slice:
        """Its columns of pixels."""
        return slice(self.x, self.right)

    @property
    def has_left(self) -> bool:
        """Whether the raster goes on at its left."""
        return self.x > 0

    @property
    def has_right(self) -> bool:
        """Whether it goes on at its right."""
        return self.right < self.shape[1]

    @property
    def has_above(self) -> bool:
        """Whether it goes on above."""
        return self.y > 0

    @property
    def has_below(self) -> bool:
        """Whether it goes on below."""
        return self.bottom < self.shape[0]

    def on_seam(self, corners: Corners) -> NDArray[np.bool_]:
        """Which corners lie on an edge behind which the raster goes on."""
        found = np.zeros(len(corners), np.bool_)
        for is_seam, where, edge in (
            (self.has_left, corners.x, self.x),
            (self.has_right, corners.x, self.right),
            (self.has_above, corners.y, self.y),
            (self.has_below, corners.y, self.bottom),
        ):
            if is_seam:
                found |= where == edge
        return found


def frames_of(shape: tuple[int, int], block_px: int) -> Iterator[Frame]:
    """All blocks of a raster, row by row; those at its right and lower edge may be smaller."""
    height, width = shape
    for y in range(0, height, block_px):
        for x in range(0, width, block_px):
            yield Frame(x, y, min(x + block_px, width), min(y + block_px, height), shape)


@dataclass(frozen=True, slots=True)
class BlockOutlines:
    """What one block knows.

    Args:
        frame: Where it lies.
        whole: The regions that end within it.
        cut: Sums of those that reach a seam.
        corners: Of these, those not on a seam: on seams, two blocks decide together.
        left: ``(h,)`` int64: the cut region of each pixel of its first column, or ``NOWHERE``.
        right: Of its last column.
        top: ``(w,)`` int64: of its first row.
        bottom: Of its last row.
    """

    frame: Frame
    whole: OutlinedRegions
    cut: RegionSums
    corners: Corners
    left: _Line
    right: _Line
    top: _Line
    bottom: _Line


def outline_block(
    regions: PixelRegions,
    frame: Frame,
    *,
    weights: NDArray[Any] = NO_WEIGHTS,
    smallest_px: float = 0,
) -> BlockOutlines:
    """Outline a block; may be called for several at once by threads.

    Args:
        regions: Of its pixels.
        frame: Where it lies.
        weights: ``(channels, h, w)`` to add up over each region.
        smallest_px: Regions of fewer pixels that end within the block are left out.
    """
    sums = RegionSums.of_pixels(regions, weights)
    sides = regions.sides()
    is_cut = np.zeros(len(regions), np.bool_)
    seams = (frame.has_left, frame.has_right, frame.has_above, frame.has_below)
    for side, is_seam in zip(sides, seams, strict=True):
        is_cut[side[side >= 0]] |= is_seam
    corners = corners_of(regions, (frame.x, frame.y)) if len(regions) else Corners.joined([])
    is_whole = ~is_cut & (regions.area_px >= smallest_px)
    of_cut = corners.renumbered(positions_of(is_cut))
    left, right, top, bottom = (positions_of(is_cut)[side] for side in sides)
    return BlockOutlines(
        frame,
        OutlinedRegions.within(corners.renumbered(positions_of(is_whole)), sums.of(is_whole)),
        sums.of(is_cut),
        of_cut.of(~frame.on_seam(of_cut)),
        left,
        right,
        top,
        bottom,
    )


def outline_nothing(frame: Frame, *, channels: int = 0) -> BlockOutlines:
    """A block without regions, for far less than looking for them in empty pixels.

    Args:
        frame: Where it lies.
        channels: How many weights other blocks add up.
    """
    return replace(_without_regions(frame.size, channels), frame=frame)


@lru_cache(maxsize=8)
def _without_regions(size: tuple[int, int], channels: int) -> BlockOutlines:
    frame = Frame(0, 0, size[1], size[0], size)
    return outline_block(PixelRegions.nowhere(size), frame, weights=np.empty((channels, 0, 0)))
