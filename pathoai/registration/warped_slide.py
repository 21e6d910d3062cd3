"""A slide as its twin would show it: pixels of the far slide on rasters over the near one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.registration.transform import PointMap
from pathoai.store.slide_store import SlideStore

_CELL_PX = 16
"""The transform is computed once per cell of so many pixels, and is linear between: over 16 pixels
a field that is smooth over 50 µm bends by less than a tenth of one."""
_OPAQUE = 255


class WarpedSlide:
    """Reads any block of any raster over the near slide from the far one.

    Memory is that of the block and of what it needs of one level of the far slide.

    Args:
        far: The slide whose pixels are shown.
        transform: Seen from the near slide, which is its ``fixed``.
    """

    def __init__(self, far: SlideStore, transform: PointMap) -> None:
        """Nothing is read yet."""
        self.far = far
        self.transform = transform

    def read_grid(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """A block, ``(height, width, 4)`` uint8: colour, and 0 where the far slide has no pixel.

        Args:
            grid: A raster over the near slide.
            x_px: Left edge of the block, in pixels of ``grid``.
            y_px: Top edge likewise.
            size_px: Size of the block, likewise.
        """
        nodes = self._nodes(grid, x_px, y_px, size_px)
        level = self.far.level_for(float(_steps(nodes).mean()) / _CELL_PX)
        own = self.far.grid(level)
        nodes /= (own.downsample_x, own.downsample_y)
        limit = np.array([own.size_px.width, own.size_px.height])
        # One pixel more on each side, to blend; what lies beyond the far slide is not read.
        low = np.floor(np.clip(nodes.min(axis=(0, 1)), 0, limit)).astype(int) - 1
        high = np.ceil(np.clip(nodes.max(axis=(0, 1)), 0, limit)).astype(int) + 2
        out = np.zeros((size_px.height, size_px.width, 4), np.uint8)
        if (high - low <= 3).any():
            return out
        x, y = (_spread(nodes[..., axis] - low[axis], size_px) for axis in (0, 1))
        edge = limit - low
        inside = (x >= -low[0]) & (x <= edge[0]) & (y >= -low[1]) & (y <= edge[1])
        left, top = low.tolist()
        source = self.far.read(level, left, top, Size(*(high - low).tolist()))
        if inside.all():
            out[..., :3] = _between(source, x, y)
            out[..., 3] = _OPAQUE
        elif inside.any():
            out[inside, :3] = _between(source, x[inside], y[inside])
            out[inside, 3] = _OPAQUE
        return out

    def _nodes(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.float64]:
        """Where the corners of the block's cells lie, ``(r, c, 2)``, level-0 px of the far one."""
        x = (x_px + _corners(size_px.width)) * grid.downsample_x
        y = (y_px + _corners(size_px.height)) * grid.downsample_y
        return self.transform.to_moving_px(np.stack(np.meshgrid(x, y), axis=-1))


def _corners(length_px: int) -> NDArray[np.float64]:
    """Where along a block the transform is computed, from its first edge on; the last is beyond."""
    return np.arange(0.0, length_px + _CELL_PX, _CELL_PX)


def _steps(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart neighbours along a row are."""
    return np.asarray(np.linalg.norm(np.diff(nodes, axis=1), axis=-1))


def _spread(nodes: NDArray[np.float64], size_px: Size) -> NDArray[np.float32]:
    """Values at the centres of pixels, ``(h, w)``, bilinear between corners of cells."""
    plane = nodes.astype(np.float32)
    for axis, length_px in ((0, size_px.height), (1, size_px.width)):
        cell, within = np.divmod(np.arange(length_px, dtype=np.float32) + 0.5, _CELL_PX)
        first = cell.astype(np.intp)
        share = np.expand_dims(within / _CELL_PX, 1 - axis)
        near, far = plane.take(first, axis), plane.take(first + 1, axis)
        plane = near + share * (far - near)
    return plane


def _between(
    source: NDArray[np.uint8], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Colours ``(…, 3)`` at places of a picture (edges of pixels at whole numbers), bilinear."""
    width = source.shape[1]
    pixels = source.reshape(-1, 3).astype(np.float32)
    x, y = x - np.float32(0.5), y - np.float32(0.5)
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = (x - column)[..., None], (y - row)[..., None]
    first = row * width + column

    def along_row(at: NDArray[np.intp]) -> NDArray[np.float32]:
        left, step = pixels.take(at, axis=0), pixels.take(at + 1, axis=0)
        step -= left
        step *= right
        left += step
        return left

    upper, lower = along_row(first), along_row(first + width)
    lower -= upper
    lower *= below
    upper += lower
    return np.rint(upper, out=upper).astype(np.uint8)
