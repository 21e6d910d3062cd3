"""Tiles that reach past the slide's edge see it mirrored: no network was taught what white is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.slide_store import SlideStore


def mirrored_tiles(
    store: SlideStore, grid: Grid, origins_px: NDArray[np.int64], size_px: int
) -> NDArray[np.uint8]:
    """Squares of a raster; what lies outside of the slide is its mirror image at the edge.

    Args:
        store: Of the slide.
        grid: The raster.
        origins_px: ``(N, 2)`` int64: x and y of each square's top left, in pixels of ``grid``; may
            be negative, but each square shares a pixel with the raster.
        size_px: Side of the squares, likewise.

    Returns:
        ``(N, size_px, size_px, 3)`` uint8.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    length = np.array([grid.size_px.width, grid.size_px.height])
    # A square moved inside holds all that its mirror image is made of.
    inside = np.clip(origins_px, 0, np.maximum(length - size_px, 0))
    tiles = grid_tiles(store, grid, inside, size_px)
    within = (origins_px >= 0) & (origins_px <= length - size_px)
    for tile in np.flatnonzero(~within.all(axis=1)):
        (x, y), (left, top) = origins_px[tile].tolist(), inside[tile].tolist()
        columns = _folded(x, size_px, grid.size_px.width) - left
        rows = _folded(y, size_px, grid.size_px.height) - top
        tiles[tile] = tiles[tile][np.ix_(rows, columns)]
    return tiles


def _folded(start_px: int, count: int, length_px: int) -> NDArray[np.int64]:
    """Consecutive positions, folded at both ends of a length as often as it takes."""
    position = np.arange(start_px, start_px + count) % (2 * length_px)
    return np.minimum(position, 2 * length_px - 1 - position)
