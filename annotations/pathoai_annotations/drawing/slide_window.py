"""What a slide shows in a block of the screen: its pixels, and what a model says of a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai_annotations.drawing.block import Block

_CERTAIN = 255


def read_pixels(store: SlideStore, block: Block) -> NDArray[np.uint8]:
    """The picture in a block, ``(height, width, 3)`` uint8; white beyond the slide."""
    return store.read_region(block.region, block.size_px)


def read_probability(label: LabelImage, key: str, block: Block) -> NDArray[np.float32] | None:
    """How probable a class is in a block, by the nearest pixel of a prediction.

    Args:
        label: A prediction.
        key: Of the class.
        block: Where to look.

    Returns:
        ``(height, width)`` float32, 0 to 1, 0 beyond the slide; None where the prediction tells no
        such class, or holds no probabilities.
    """
    if key not in label.probability_channels:
        return None
    channel = label.probability_channels.index(key)
    level = _level_for(label, block)
    grid, array = label.grid(level), label.probability(level)
    rows = _nearest(block.y, block.pixel_y, block.size_px.height, grid.downsample_y)
    columns = _nearest(block.x, block.pixel_x, block.size_px.width, grid.downsample_x)
    inside = _span(rows, array.shape[1]), _span(columns, array.shape[2])
    out = np.zeros((len(rows), len(columns)), np.float32)
    if all(low < high for low, high in inside):
        (top, bottom), (left, right) = inside
        with label.reading():
            seen = np.asarray(array[channel, top:bottom, left:right], np.float32) / _CERTAIN
        in_rows = (rows >= top) & (rows < bottom)
        in_columns = (columns >= left) & (columns < right)
        picked = seen[np.ix_(rows[in_rows] - top, columns[in_columns] - left)]
        out[np.ix_(in_rows, in_columns)] = picked
    return out


def finest_pixel(store: SlideStore) -> tuple[float, float]:
    """Width and height of the finest pixels that a store holds, level-0 pixels of the slide."""
    grid: Grid = store.grid()
    return grid.downsample_x, grid.downsample_y


def _level_for(label: LabelImage, block: Block) -> int:
    """The coarsest level that is no coarser than the block, or the finest."""
    fits = [
        level
        for level in range(len(label.factors))
        if label.grid(level).downsample_x <= block.pixel_x
    ]
    return max(fits, default=0)


def _nearest(origin: float, pixel: float, count: int, downsample: float) -> NDArray[np.int64]:
    """Along one axis, the pixel of a level in which the centre of each pixel of the block lies."""
    centres = origin + (np.arange(count) + 0.5) * pixel
    nearest: NDArray[np.int64] = np.floor(centres / downsample).astype(np.int64)
    return nearest


def _span(wanted: NDArray[np.int64], length: int) -> tuple[int, int]:
    return max(int(wanted[0]), 0), min(int(wanted[-1]) + 1, length)
