"""The class of each tile, read once from a coarse level of the label."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.tissue.mask import TissueMask
from pathoai_training.data.survey import SlideSurvey, survey_level
from pathoai_training.data.tiles_dataset import TileColumns

LEAST_SHARE = 0.01
"""Share of a tile that a class must cover to be in it: at a coarse level, less is an edge."""


class TileClassRule(StrEnum):
    """What makes a tile's class."""

    DOMINANT = "dominant"
    CONTAINS = "contains"


def class_shares(
    origins_px: NDArray[np.int64],
    size_px: int,
    grid: Grid,
    channels: tuple[NDArray[np.uint8], Grid],
    count: int,
) -> NDArray[np.float32]:
    """Share of each tile that each class covers.

    Args:
        origins_px: ``(N, 2)`` x and y of tiles of one slide, in pixels of ``grid``.
        size_px: Side of the tiles, likewise.
        grid: The raster that the tiles are cut from.
        channels: ``(H, W)`` uint8 channel of each pixel of a coarse level, 255 where ignored; and
            the raster of that level.
        count: Number of channels, background included.

    Returns:
        ``(N, count)`` float32; rows sum to the assessed share of the tile.
    """
    down = (grid.downsample_x, grid.downsample_y)
    left, top = (origins_px * down).T
    size = (size_px * down[0], size_px * down[1])
    shares = np.zeros((len(left), count), np.float32)
    for channel in range(count):
        covered = TissueMask(channels[0] == channel, channels[1], 1.0, "one class")
        shares[:, channel] = covered.fraction(left, top, size)
    return shares


def tile_classes(
    shares: NDArray[np.float32], rule: TileClassRule, rarest_first: Sequence[int] = ()
) -> NDArray[np.uint8]:
    """The class of each tile.

    Args:
        shares: ``(N, C)`` of :func:`class_shares`.
        rule: ``dominant``: the class that covers most, the first of equals; ``contains``: the
            first of ``rarest_first`` that the tile holds, else the dominant one.
        rarest_first: Channels, those to look for first in front.

    Returns:
        ``(N,)`` uint8.
    """
    classes: NDArray[np.uint8] = shares.argmax(1).astype(np.uint8)
    if rule is TileClassRule.CONTAINS:
        for channel in reversed(rarest_first):
            classes[shares[:, channel] >= LEAST_SHARE] = channel
    return classes


def classes_of_tiles(
    slides: Sequence[SlideSurvey],
    tiles: TileColumns,
    channel_of: NDArray[np.uint8],
    *,
    rule: TileClassRule,
    count: int,
) -> NDArray[np.uint8]:
    """The class of each tile of several slides, ``(N,)`` uint8; each label is read once.

    Args:
        slides: What ``tiles.slide`` counts.
        tiles: Sorted by slide.
        channel_of: ``(256,)`` uint8: value of the class map → channel, 255 where ignored.
        rule: What makes a tile's class; rare is what covers least of the surveyed labels.
        count: Number of channels, background included.
    """
    pixels = np.bincount(channel_of, weights=sum(s.counts for s in slides), minlength=256)
    rarest_first = np.argsort(pixels[:count], kind="stable").tolist()
    found = np.zeros(len(tiles), np.uint8)
    for position in np.unique(tiles.slide):
        own = tiles.slide == position
        slide = slides[position]
        _, label = slide.source.open()
        level = survey_level(label)
        coarse = (channel_of[label.read_all(level)], label.grid(level))
        shares = class_shares(
            tiles.origins_px[own], tiles.size_px, slide.sparse.grid, coarse, count
        )
        found[own] = tile_classes(shares, rule, rarest_first)
    return found
