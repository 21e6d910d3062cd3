"""Outputs of a network that makes no mistakes, for generated nuclei."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.inference.blocks import Blocks, Window
from pathoai.inference.paint_objects import paint_objects
from pathoai.inference.views import number_block, smallest_px

MPP = 0.5
CLASSES = 3


def discs(
    side: int, centres: NDArray[np.float64], radii: NDArray[np.float64]
) -> NDArray[np.uint32]:
    """Numbered discs, ``(side, side)`` uint32, earlier ones over later ones."""
    numbers = np.zeros((side, side), np.uint32)
    for number, ((cy, cx), radius) in enumerate(zip(centres, radii, strict=True), start=1):
        top, left = (max(0, int(c - radius) - 1) for c in (cy, cx))
        window = np.s_[top : int(cy + radius) + 2, left : int(cx + radius) + 2]
        part = numbers[window]
        y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
        part[((y - cy) ** 2 + (x - cx) ** 2 < radius**2) & (part == 0)] = number
    return numbers


def outputs_of(numbers: NDArray[np.uint32], value: NDArray[np.integer]) -> NDArray[np.float32]:
    """Probabilities of background and two classes, and the map: ``(4, H, W)`` float32.

    Args:
        numbers: ``(H, W)`` uint32, 0 outside objects.
        value: ``(n,)``: class of each, 1 or 2.
    """
    classes = np.concatenate([[0], value])[numbers]
    probability = np.stack([classes == c for c in range(CLASSES)]).astype(np.float32)
    depth = np.zeros(numbers.shape, np.float32)
    for number, window in enumerate(ndimage.find_objects(numbers.astype(np.int32)), start=1):
        if window is None:
            continue
        inside = np.pad(numbers[window] == number, 1)
        own = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        depth[window] = np.maximum(depth[window], own / own.max())
    return np.concatenate([probability, depth[None]]).astype(np.float32)


def whole(outputs: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The objects of an image that is looked at at once: the definition."""
    return number_block(outputs, CLASSES, mpp=MPP)


def painted(outputs: NDArray[np.float32], shard_px: int, margin_px: int) -> NDArray[np.uint32]:
    """The same by shards."""
    blocks = Blocks((outputs.shape[1], outputs.shape[2]), margin_px, shard_px)
    return painted_by(lambda seen: whole(outputs[:, *seen]), blocks, smallest_px(MPP))


def painted_by(
    look: Callable[[Window], NDArray[np.uint32]], blocks: Blocks, smallest: float
) -> NDArray[np.uint32]:
    """What shards see, put together."""
    raster = np.zeros(blocks.shape, np.uint32)
    order = []
    for shard, numbers in paint_objects(lambda s: look(blocks.seen(s)), blocks, smallest):
        order.append(shard)
        raster[blocks.ground(shard)] = numbers
    assert order == list(blocks.shards)
    return raster


def same_objects(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> bool:
    """True where two rasters show the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1])) and pairs[0, 0] == pairs[1, 0]
