"""Any part of a slide at any scale, one block at a time, on the CPU: for thumbnails and masks.

The store's own pixels are resampled in batches on the device by ``pathoai.preprocess.resample``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Grid, Size
from pathoai.slide.reader import SlideReader

_BLOCK_PX = 1024


def read_grid_block(
    reader: SlideReader, grid: Grid, x_px: int, y_px: int, size_px: Size
) -> NDArray[np.uint8]:
    """A block of a grid laid over the slide.

    Args:
        reader: The slide.
        grid: The raster; its frame is that of the other arguments.
        x_px: Left edge of the block in pixels of the grid.
        y_px: Top edge likewise.
        size_px: Size of the block likewise.

    Returns:
        ``(height, width, 3)`` uint8; each pixel averages what it covers (antialiased).
    """
    level = reader.info.level_for(min(grid.downsample_x, grid.downsample_y))
    downsample = reader.info.levels[level].downsample
    region = grid.region(x_px, y_px, size_px.width, size_px.height)
    left, top = region.x / downsample, region.y / downsample
    right, bottom = region.right / downsample, region.bottom / downsample
    first_x, first_y = math.floor(left), math.floor(top)
    pixels = reader.read_region(
        round(first_x * downsample),
        round(first_y * downsample),
        level,
        Size(math.ceil(right) - first_x, math.ceil(bottom) - first_y),
    )
    box = (left - first_x, top - first_y, right - first_x, bottom - first_y)
    image = Image.fromarray(pixels).resize(
        (size_px.width, size_px.height), Image.Resampling.BOX, box=box
    )
    return np.asarray(image)


def read_grid(reader: SlideReader, grid: Grid) -> NDArray[np.uint8]:
    """The whole slide on a coarse grid, ``(height, width, 3)`` uint8, read block by block."""
    height, width = grid.size_px.height, grid.size_px.width
    whole = np.empty((height, width, 3), np.uint8)
    for y in range(0, height, _BLOCK_PX):
        for x in range(0, width, _BLOCK_PX):
            size = Size(min(_BLOCK_PX, width - x), min(_BLOCK_PX, height - y))
            whole[y : y + size.height, x : x + size.width] = read_grid_block(
                reader, grid, x, y, size
            )
    return whole
