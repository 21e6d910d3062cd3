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
        places = self._places(grid, x_px, y_px, size_px)
        own, level = self._level_for(places)
        places /= (own.downsample_x, own.downsample_y)
        limit = np.array([own.size_px.width, own.size_px.height])
        inside = ((places >= 0) & (places <= limit)).all(axis=-1)
        out = np.zeros((size_px.height, size_px.width, 4), np.uint8)
        if not inside.any():
            return out
        # Centres of pixels are at halves.
        places -= 0.5
        low = np.floor(places[inside].min(axis=0)).astype(int)
        high = np.floor(places[inside].max(axis=0)).astype(int) + 2
        left, top = low.tolist()
        width, height = (high - low).tolist()
        source = self.far.read(level, left, top, Size(width, height))
        out[inside, :3] = _between(source, places[inside] - low)
        out[inside, 3] = _OPAQUE
        return out

    def _level_for(self, places: NDArray[np.float64]) -> tuple[Grid, int]:
        """The level whose pixels lie about as far apart as the places, and its raster."""
        across = np.diff(places, axis=1) if places.shape[1] > 1 else np.diff(places, axis=0)
        steps = np.linalg.norm(across, axis=-1)
        level = self.far.level_for(float(steps.mean()) if steps.size else 1.0)
        return self.far.grid(level), level

    def _places(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.float64]:
        """Where the centres of the block's pixels lie, ``(h, w, 2)``, level-0 px of the far one."""
        x_nodes = _nodes(size_px.width)
        y_nodes = _nodes(size_px.height)
        x = (x_px + x_nodes) * grid.downsample_x
        y = (y_px + y_nodes) * grid.downsample_y
        coarse = self.transform.to_moving_px(np.stack(np.meshgrid(x, y), axis=-1))
        rows = _along(coarse, y_nodes, size_px.height, axis=0)
        return _along(rows, x_nodes, size_px.width, axis=1)


def _nodes(length_px: int) -> NDArray[np.float64]:
    """Where along a block the transform is computed, from its first edge on; the last is beyond."""
    return np.arange(0.0, length_px + _CELL_PX, _CELL_PX)


def _along(
    values: NDArray[np.float64], nodes: NDArray[np.float64], length_px: int, *, axis: int
) -> NDArray[np.float64]:
    """Values at the centres of pixels, linear between nodes along one axis."""
    cell, within = np.divmod(np.arange(length_px) + 0.5, _CELL_PX)
    first = cell.astype(np.intp)
    shape = [1] * values.ndim
    shape[axis] = length_px
    share = (within / _CELL_PX).reshape(shape)
    near, far = np.take(values, first, axis), np.take(values, first + 1, axis)
    return np.asarray(near + share * (far - near))


def _between(source: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours ``(N, 3)`` at places ``(N, 2)`` (x, y; whole numbers are centres), bilinear."""
    whole = np.floor(places).astype(np.intp)
    share = (places - whole).astype(np.float32)
    x, y = whole.T
    right, below = share[:, :1], share[:, 1:]
    upper = source[y, x] * (1 - right) + source[y, x + 1] * right
    lower = source[y + 1, x] * (1 - right) + source[y + 1, x + 1] * right
    found = upper * (1 - below) + lower * below
    return np.asarray(np.rint(found), dtype=np.uint8)
