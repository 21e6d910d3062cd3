"""A sample of a slide's tissue pixels, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import TissueMask

_BLOCK_PX = 256
_MOST_BLOCKS = 64
_MOST_PIXELS = 100_000

ReadBlock = Callable[[int, int, Size], NDArray[np.uint8]]
"""From left edge, top edge and size, in pixels of a grid, to ``(height, width, 3)`` uint8."""


def sample_store(store: SlideStore, *, seed: int = 0) -> NDArray[np.uint8]:
    """Pixels of a store's tissue; see `sample_tissue`."""
    return sample_tissue(
        lambda x, y, size: store.read(0, x, y, size), store.grid(), store.tissue, seed=seed
    )


def sample_tissue(
    read: ReadBlock, grid: Grid, tissue: TissueMask, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Pixels of a slide's tissue.

    Up to 64 blocks of 256 px that hold tissue are drawn, and 100,000 of their tissue pixels.

    Args:
        read: Reads a block of the grid.
        grid: The raster that pixels are drawn from.
        tissue: The slide's tissue.
        seed: Of the random numbers.

    Returns:
        ``(M, 3)`` uint8 RGB, M ≤ 100,000.
    """
    generator = np.random.default_rng(seed)
    width, height = grid.size_px.width, grid.size_px.height
    y, x = (edge.ravel() for edge in np.mgrid[0:height:_BLOCK_PX, 0:width:_BLOCK_PX])
    size = (_BLOCK_PX * grid.downsample_x, _BLOCK_PX * grid.downsample_y)
    covered = tissue.fraction(x * grid.downsample_x, y * grid.downsample_y, size) > 0
    blocks = np.stack([x, y], axis=1)[covered]
    chosen = generator.permutation(len(blocks))[:_MOST_BLOCKS]
    found = [_tissue_pixels(read, grid, tissue, *blocks[at].tolist()) for at in np.sort(chosen)]
    pooled = np.concatenate([np.empty((0, 3), np.uint8), *found])
    return pooled[np.sort(generator.permutation(len(pooled))[:_MOST_PIXELS])]


def _tissue_pixels(
    read: ReadBlock, grid: Grid, tissue: TissueMask, x_px: int, y_px: int
) -> NDArray[np.uint8]:
    """The tissue pixels of one block, ``(M, 3)`` uint8."""
    width = min(_BLOCK_PX, grid.size_px.width - x_px)
    height = min(_BLOCK_PX, grid.size_px.height - y_px)
    pixels = read(x_px, y_px, Size(width, height))
    shown = tissue.on_grid(grid, slice(y_px, y_px + height), slice(x_px, x_px + width))
    return pixels[shown]
