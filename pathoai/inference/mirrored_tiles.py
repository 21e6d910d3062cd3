"""Tiles that reach past the slide's edge see it mirrored: no network was taught what white is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size


class ReadsGrids(Protocol):
    """A store, as far as this is concerned."""

    def read_grid(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """A block of a raster over the slide, ``(height, width, 3)`` uint8."""
        ...


def mirrored_tile(
    store: ReadsGrids, grid: Grid, x_px: int, y_px: int, size_px: int
) -> NDArray[np.uint8]:
    """A square of a raster; what lies outside of the slide is its mirror image at the edge.

    Args:
        store: Of the slide.
        grid: The raster.
        x_px: Left edge in pixels of ``grid``; may be negative.
        y_px: Top edge likewise.
        size_px: Side likewise.

    Returns:
        ``(size_px, size_px, 3)`` uint8.
    """
    width, height = grid.size_px.width, grid.size_px.height
    if 0 <= x_px <= width - size_px and 0 <= y_px <= height - size_px:
        return store.read_grid(grid, x_px, y_px, Size(size_px, size_px))
    columns, rows = _folded(x_px, size_px, width), _folded(y_px, size_px, height)
    left, top = int(columns.min()), int(rows.min())
    span = Size(int(columns.max()) - left + 1, int(rows.max()) - top + 1)
    pixels = store.read_grid(grid, left, top, span)
    return pixels[np.ix_(rows - top, columns - left)]


def _folded(start_px: int, count: int, length_px: int) -> NDArray[np.int64]:
    """Consecutive positions, folded at both ends of a length as often as it takes."""
    position = np.arange(start_px, start_px + count) % (2 * length_px)
    return np.minimum(position, 2 * length_px - 1 - position)
