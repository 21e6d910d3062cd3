"""The regions of a stored label, outlined shard by shard, healed row by row of shards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.look_ahead import in_order
from pathoai.store.label_image import LabelImage
from pathoai.store.map_reader import MapReader
from pathoai.store.shards import SHARD_PX
from pathoai.vector.block_outlines import BlockOutlines, Frame, frames_of, outline_block
from pathoai.vector.healed_seams import HealedRow, heal_seams
from pathoai.vector.pixel_regions import find_regions

_MOST_THREADS = 8
"""Each holds a shard and its outlines, some 100 MB; more wait for the one that heals the seams."""


def outline_label(
    label: LabelImage, plane: MapReader, *, ignore: Sequence[int], smallest_px: float = 0
) -> Iterator[HealedRow]:
    """Outline the regions of a plane of a label, with sums of its probabilities over each.

    A row of shards is under way, whatever the slide's size.

    Args:
        label: With probabilities or without.
        plane: Its class map, or the numbers of its objects.
        ignore: Values that are no regions.
        smallest_px: Regions of fewer pixels are left out.

    Yields:
        For each row of shards the regions that end in it, in pixels of the label.

    Raises:
        StoreError: A shard is damaged.
    """
    height, width = label.array().shape

    def work(frame: Frame) -> BlockOutlines:
        rows, columns = frame.size
        regions = find_regions(plane.read(frame.x, frame.y, Size(columns, rows)), ignore)
        weights = _probability(label, frame, nowhere=not len(regions))
        return outline_block(regions, frame, weights=weights, smallest_px=smallest_px)

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        blocks = in_order(pool, work, frames_of((height, width), SHARD_PX), depth=2 * threads)
        yield from heal_seams(blocks, smallest_px=smallest_px)


def _probability(label: LabelImage, frame: Frame, *, nowhere: bool) -> NDArray[np.uint8]:
    """Of the label's channels, ``(channels, h, w)``; not read where there is nothing to weigh."""
    channels = len(label.probability_channels)
    if nowhere or not channels:
        return np.empty((channels, 0, 0), np.uint8)
    rows, columns = frame.size
    return label.probability_reader.read(frame.x, frame.y, Size(columns, rows))


def at_level_0(outlines: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Outlines in level-0 pixels, from those in pixels of a grid, ``(n,)`` polygons each."""
    scale = np.array([grid.downsample_x, grid.downsample_y])
    if (scale == 1).all():
        return outlines
    placed: NDArray[np.object_] = shapely.transform(outlines, lambda xy: xy * scale)
    return placed
