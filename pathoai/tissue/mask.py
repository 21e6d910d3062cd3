"""The tissue mask, and the choice of the method that finds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pathoai import entry_points
from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.geometry import Grid
from pathoai.slide.reader import SlideReader
from pathoai.slide.resampled import GridPicture, read_grid
from pathoai.tissue.blocks import Picture
from pathoai.tissue.thumbnail import thumbnail_of

GROUP = "pathoai.tissue_methods"
_LEAST_COVERED_PX = 1e-6
_BAND_ROWS = 128
_Value = TypeVar("_Value", bound=np.generic)

TissueMethod = Callable[[Picture, float], NDArray[np.bool_]]
"""From a picture and its mpp to a mask ``(H, W)``; registered by entry point."""


@dataclass(frozen=True)
class TissueMask:
    """Which pixels of a coarse grid show tissue.

    Args:
        mask: ``(H, W)`` bool.
        grid: The raster the mask lies on.
        mpp: Scale of the mask, µm per pixel.
        method: Name of the method that found it.
    """

    mask: NDArray[np.bool_]
    grid: Grid
    mpp: float
    method: str

    def __post_init__(self) -> None:
        """Refuse a mask of another size than its grid."""
        if self.mask.shape != (self.grid.size_px.height, self.grid.size_px.width):
            raise InvalidValueError("mask and grid differ in size", found=self.mask.shape)

    @property
    def area_mm2(self) -> float:
        """Area of the tissue, mm²."""
        return float(self.mask.sum()) * self.mpp**2 / 1e6

    def on_grid(self, grid: Grid, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """The mask at the pixel centres of a block of a finer grid, ``(h, w)`` bool.

        Args:
            grid: The finer raster over the same slide.
            rows: Rows of the block, in pixels of ``grid``.
            columns: Columns likewise.
        """
        return at_centres(self.mask, self.grid, grid, rows, columns)

    def fraction(
        self,
        left: NDArray[np.floating[Any]],
        top: NDArray[np.floating[Any]],
        size: tuple[float, float],
    ) -> NDArray[np.float32]:
        """Share of tissue in rectangles of one size, ``(N,)`` float32; outside counts as none.

        Args:
            left: ``(N,)`` left edges, level-0 pixels.
            top: ``(N,)`` top edges, level-0 pixels.
            size: Width and height of all of them, level-0 pixels.
        """
        x0, x1 = left / self.grid.downsample_x, (left + size[0]) / self.grid.downsample_x
        y0, y1 = top / self.grid.downsample_y, (top + size[1]) / self.grid.downsample_y
        covered = np.zeros(len(x0))
        # In bands: the sums of a whole slide would take four times the memory of its mask.
        bands = y0 // _BAND_ROWS
        for band in np.unique(bands):
            here = bands == band
            first = max(0, int(y0[here].min()))
            rows = self.mask[first : max(first + 1, math.ceil(y1[here].max()))]
            covered[here] = _covered(
                _summed(rows), x0[here], x1[here], y0[here] - first, y1[here] - first
            )
        return np.asarray(covered / ((x1 - x0) * (y1 - y0)), dtype=np.float32)


def at_centres(
    plane: NDArray[_Value], plane_grid: Grid, grid: Grid, rows: slice, columns: slice
) -> NDArray[_Value]:
    """A coarse plane at the pixel centres of a block of a finer grid, ``(h, w)``.

    Args:
        plane: ``(H, W)``.
        plane_grid: Its raster.
        grid: The finer raster over the same slide.
        rows: Rows of the block, in pixels of ``grid``.
        columns: Columns likewise.
    """
    y, x = pixels_at_centres(plane.shape, plane_grid, grid, rows, columns)
    return np.asarray(plane[np.ix_(y, x)])


def pixels_at_centres(
    shape: tuple[int, ...], plane_grid: Grid, grid: Grid, rows: slice, columns: slice
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows ``(h,)`` and columns ``(w,)`` of a coarse plane at the same pixel centres.

    Args:
        shape: Of the plane.
        plane_grid: As of :func:`at_centres`.
        grid: Likewise.
        rows: Likewise.
        columns: Likewise.
    """
    y = (np.arange(rows.start, rows.stop) + 0.5) * grid.downsample_y / plane_grid.downsample_y
    x = (np.arange(columns.start, columns.stop) + 0.5) * grid.downsample_x / plane_grid.downsample_x
    height, width = shape
    return np.minimum(y.astype(np.int64), height - 1), np.minimum(x.astype(np.int64), width - 1)


def _summed(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Tissue pixels above and to the left of every corner between pixels (Crow 1984)."""
    height, width = mask.shape
    total = np.zeros((height + 1, width + 1), np.int32)
    np.cumsum(mask.cumsum(1, dtype=np.int32), 0, out=total[1:, 1:])
    return total


def _covered(
    total: NDArray[np.int32],
    x0: NDArray[np.floating[Any]],
    x1: NDArray[np.floating[Any]],
    y0: NDArray[np.floating[Any]],
    y1: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Pixels of tissue in rectangles, exact to fractions of pixels."""
    covered = (
        _interpolated(total, y1, x1)
        - _interpolated(total, y0, x1)
        - _interpolated(total, y1, x0)
        + _interpolated(total, y0, x0)
    )
    # Differences of large sums: without this, rounding finds tissue on 2 % of clear glass.
    return np.where(covered < _LEAST_COVERED_PX, 0.0, covered)


def _interpolated(
    total: NDArray[np.int32], y: NDArray[np.floating[Any]], x: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """The summed-area table between its nodes: exact, since the mask is constant in a pixel."""
    y = np.clip(y, 0, total.shape[0] - 1)
    x = np.clip(x, 0, total.shape[1] - 1)
    y0 = np.minimum(y.astype(np.int64), total.shape[0] - 2)
    x0 = np.minimum(x.astype(np.int64), total.shape[1] - 2)
    fy, fx = y - y0, x - x0
    upper = total[y0, x0] * (1 - fx) + total[y0, x0 + 1] * fx
    lower = total[y0 + 1, x0] * (1 - fx) + total[y0 + 1, x0 + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def find_tissue(
    reader: SlideReader, grid: Grid, *, mpp: float, method: str = "h-and-e"
) -> TissueMask:
    """The tissue of a slide on a coarse grid.

    Args:
        reader: The slide.
        grid: The raster to find it on, normally of 2 to 16 µm per pixel.
        mpp: The scale of that raster.
        method: Name in the entry-point group ``pathoai.tissue_methods``: a preset for a stain or
            a kind of specimen.

    Raises:
        InvalidValueError: The method is unknown.
        NoTissueError: Nothing was found; an empty result is never passed on. The error carries
            a thumbnail.
    """
    find: TissueMethod = entry_points.load(GROUP, method)
    mask = find(GridPicture(reader, grid), mpp)
    if not mask.any():
        error = NoTissueError(
            "no tissue found",
            where=reader.info.slide_id or "slide",
            found=f"0 of {mask.size} pixels at {mpp:g} µm per pixel by method {method}",
            remedy="look at the slide's thumbnail: a blank slide has nothing to tile; for a faint "
            "one use the tissue preset faint, ihc or biopsy, and whole to keep everything",
        )
        error.thumbnail = thumbnail_of(read_grid(reader, grid))
        raise error
    return TissueMask(mask, grid, mpp, method)


def tissue_grid(store_grid: Grid, store_mpp: float) -> tuple[Grid, float]:
    """The level of a store's pyramid on which tissue is looked for, and its mpp.

    About 8 µm per pixel; finer on small slides, so that a tiny biopsy still spans many pixels.
    """
    factor, finest_side_px = 1, 256
    while store_mpp * factor * 2 <= 8.5:
        coarser = store_grid.coarser(factor * 2).size_px
        if max(coarser.width, coarser.height) < finest_side_px:
            break
        factor *= 2
    return (store_grid.coarser(factor) if factor > 1 else store_grid), store_mpp * factor
