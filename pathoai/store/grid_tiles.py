"""Many tiles of any raster over a slide: what `SlideStore.read_grid` gives, a batch at a time."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.slide.source_window import SourceWindow
from pathoai.store.slide_store import SlideStore


def grid_tiles(
    store: SlideStore,
    grid: Grid,
    origins_px: NDArray[np.int64] | NDArray[np.float64],
    size_px: int,
    pool: Executor | None = None,
) -> NDArray[np.uint8]:
    """Square tiles of a raster, resampled where no level has so nearly its scale.

    Each chunk is decoded once, at most. Where resampled, the batch takes as much memory again as
    its tiles have pixels in the level below.

    Args:
        store: The slide.
        grid: The raster.
        origins_px: ``(N, 2)``: x and y of each tile's top left, in pixels of ``grid``; may lie
            outside of it.
        size_px: Side of the tiles, likewise.
        pool: Threads to decode and resample in.

    Returns:
        ``(N, size_px, size_px, 3)`` uint8; white outside of the slide.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    size = Size(size_px, size_px)
    level = store.level_like(grid, size)
    if level is not None:
        return store.read_tiles(level, level_origins(store, level, grid, origins_px), size_px, pool)
    level = store.level_for(grid.downsample_x)
    own = store.grid(level)
    windows = [
        SourceWindow.of(
            x,
            y,
            size,
            ratio_x=grid.downsample_x / own.downsample_x,
            ratio_y=grid.downsample_y / own.downsample_y,
        )
        for x, y in _places(store, level, grid, origins_px).tolist()
    ]
    return _resampled(store, level, windows, size_px, pool)


def level_origins(
    store: SlideStore,
    level: int,
    grid: Grid,
    origins_px: NDArray[np.int64] | NDArray[np.float64],
) -> NDArray[np.int64]:
    """The pixel of a level that is nearest to where each tile starts, ``(N, 2)`` int64.

    Args:
        store: The slide.
        level: One that has the scale of the raster; see ``SlideStore.level_like``.
        grid: The raster.
        origins_px: ``(N, 2)``: x and y of each tile's top left, in pixels of ``grid``.
    """
    return np.rint(_places(store, level, grid, origins_px)).astype(np.int64)


def _places(
    store: SlideStore,
    level: int,
    grid: Grid,
    origins_px: NDArray[np.int64] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where tiles start, ``(N, 2)`` float64 in pixels of a level."""
    own = store.grid(level)
    level_0 = origins_px * np.array([grid.downsample_x, grid.downsample_y])
    return np.asarray(level_0 / np.array([own.downsample_x, own.downsample_y]))


def _resampled(
    store: SlideStore,
    level: int,
    windows: list[SourceWindow],
    size_px: int,
    pool: Executor | None,
) -> NDArray[np.uint8]:
    tiles = np.empty((len(windows), size_px, size_px, 3), np.uint8)
    if not windows:
        return tiles
    corners = np.array([(window.x_px, window.y_px) for window in windows])
    side = max(max(window.span_px.width, window.span_px.height) for window in windows)
    sources = store.read_tiles(level, corners, side, pool)

    def resample(tile: int) -> None:
        window = windows[tile]
        span = window.span_px
        tiles[tile] = window.resampled(sources[tile, : span.height, : span.width])

    each = map if pool is None else pool.map
    for _ in each(resample, range(len(windows))):
        pass
    return tiles
