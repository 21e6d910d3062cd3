"""Coarser levels of an array, each pixel made of 2 × 2 of the level below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.store.shards import ShardWriter, shard_slices, shards_of

Reducer = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From ``(…, 2h, 2w)`` to ``(…, h, w)``."""

_COARSEST_SIDE_PX = 512


def level_factors(grid: Grid) -> list[int]:
    """Store pixels per pixel of each level: 1, 2, 4, … until the image is at most 512 px wide."""
    factors = [1]
    while max(grid.size_px.width, grid.size_px.height) / factors[-1] > _COARSEST_SIDE_PX:
        factors.append(factors[-1] * 2)
    return factors


def mean_of_four(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The average, for images and probabilities; halves round up."""
    block = pixels.astype(np.uint16)
    total = (
        block[..., ::2, ::2]
        + block[..., 1::2, ::2]
        + block[..., ::2, 1::2]
        + block[..., 1::2, 1::2]
    )
    return ((total + 2) // 4).astype(np.uint8)


def first_of_four(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The top left, for class maps, whose values have no average."""
    return np.ascontiguousarray(pixels[..., ::2, ::2])


def build_level(source: zarr.Array[Any], writer: ShardWriter, reduce: Reducer) -> None:
    """Fill a level from the one below, shard by shard; empty shards stay absent."""
    shape = writer.array.shape
    for shard in shards_of(shape):
        if writer.is_done(shard):
            continue
        rows, columns = shard_slices(shard, shape)
        below = np.asarray(
            source[..., 2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
        )
        odd = [(0, 0)] * (below.ndim - 2) + [(0, n % 2) for n in below.shape[-2:]]
        writer.write(shard, reduce(np.pad(below, odd, mode="edge")))
