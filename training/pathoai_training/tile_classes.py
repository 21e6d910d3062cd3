"""The class of each tile, read once from a coarse level of the label."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.tiling.grid import TileGrid
from pathoai.tissue.mask import TissueMask

LEAST_SHARE = 0.01
"""Share of a tile that a class must cover to be in it: at a coarse level, less is an edge."""


class TileClassRule(StrEnum):
    """What makes a tile's class."""

    DOMINANT = "dominant"
    CONTAINS = "contains"


def class_shares(
    tiles: TileGrid, channels: NDArray[np.uint8], grid: Grid, count: int
) -> NDArray[np.float32]:
    """Share of each tile that each class covers.

    Args:
        tiles: Tiles of one slide.
        channels: ``(H, W)`` uint8 channel of each pixel of a coarse level; 255 where ignored.
        grid: The raster of that level.
        count: Number of channels, background included.

    Returns:
        ``(N, count)`` float32; rows sum to the assessed share of the tile.
    """
    down = (tiles.grid.downsample_x, tiles.grid.downsample_y)
    left, top = (tiles.origins_px * down).T
    size = (tiles.spec.size_px * down[0], tiles.spec.size_px * down[1])
    shares = np.zeros((len(left), count), np.float32)
    for channel in range(count):
        covered = TissueMask(channels == channel, grid, 1.0, "one class")
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
