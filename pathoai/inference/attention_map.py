"""Where a model that grades slides looked: the weights of tiles as a label of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import LARGEST_MPP_UM, Grid
from pathoai.inference.slide_grade import ATTENTION
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.store.features import SlideFeatures
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

_LEAST_WEIGHT = 1e-3
"""Of a tile's edge, as of predicted pixels: what only one tile covers is not divided by 0."""
_PIXELS_PER_TILE = 8
"""Enough for overlapping tiles to fade into each other."""


@dataclass(frozen=True)
class WeighedTiles:
    """Tiles of a slide and what each weighs.

    Args:
        left_top: ``(N, 2)`` float64 x and y, level-0 pixels.
        side: Width and height of each, likewise.
        weights: ``(N,)`` float64, 1 in sum.
    """

    left_top: NDArray[np.float64]
    side: tuple[float, float]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, features: SlideFeatures, weights: NDArray[np.float64]) -> WeighedTiles:
        """The tiles that features are of."""
        grid, size = features.grid, features.spec.size_px
        scale = (grid.downsample_x, grid.downsample_y)
        return cls(
            features.origins_px * np.array(scale), (size * scale[0], size * scale[1]), weights
        )

    @property
    def largest(self) -> float:
        """The largest weight, to six digits: the last bits differ from device to device."""
        return float(f"{self.weights.max():.6g}")

    def blended(
        self, grid: Grid, rows: slice, columns: slice
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Weights at the pixel centres of a block, and where there is a tile, both ``(h, w)``.

        Where tiles overlap it is Σwp/Σw by the raised cosine of pixel predictions; a pixel that one
        tile covers has just its weight.
        """
        pixel = np.array([grid.downsample_x, grid.downsample_y])
        corner = np.array([columns.start, rows.start])
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        start, stop = corner * pixel, (corner + shape[::-1]) * pixel
        near = (self.left_top < stop).all(axis=1) & (self.left_top + self.side > start).all(axis=1)
        total, share = np.zeros(shape), np.zeros(shape)
        if near.any():
            tiles = self.left_top[near] / pixel - corner
            width, height = np.array(self.side) / pixel
            x, across = _profiles(tiles[:, 0], width, shape[1])
            y, down = _profiles(tiles[:, 1], height, shape[0])
            window = down[:, :, None] * across[:, None, :]
            at = np.broadcast_arrays(y[:, :, None], x[:, None, :])
            np.add.at(share, tuple(at), window)
            np.add.at(total, tuple(at), window * self.weights[near][:, None, None])
        seen = share > 0
        return np.divide(total, share, out=total, where=seen), seen


def _profiles(
    left: NDArray[np.float64], side: float, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Along one axis, of each tile: pixels whose centres it may hold, and its weight there.

    Both ``(N, K)``; what lies outside of the tile or the block has no weight.
    """
    first = np.ceil(left - 0.5).astype(np.int64)
    at = first[:, None] + np.arange(int(np.ceil(side)) + 1)
    position = (at + 0.5 - left[:, None]) / side
    profile = np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * position), _LEAST_WEIGHT)
    inside = (position >= 0) & (position < 1) & (at >= 0) & (at < length)
    return np.clip(at, 0, length - 1), np.where(inside, profile, 0.0)


def attention_about(about: dict[str, Any], largest: float) -> dict[str, Any]:
    """What the label says of itself.

    Args:
        about: What the grade says of itself.
        largest: Weight of the heaviest tile.
    """
    scale = "255 stands for the largest weight of a tile; the weights of all tiles sum to 1"
    return about | {ATTENTION: {"largest_weight": largest, "scale": scale}}


def write_attention_map(
    store: SlideStore, name: str, about: dict[str, Any], tiles: WeighedTiles
) -> LabelImage:
    """Lay the weights of tiles into a store, or go on where an interrupted run stopped.

    Args:
        store: The slide's; the caller holds its lock.
        name: Of the label.
        about: What it says of itself, of :func:`attention_about`.
        tiles: All tiles that the model saw.

    Returns:
        A class map that is background where there was a tile and 255 elsewhere, and the channel
        ``attention``, uint8, 255 for the largest weight.
    """
    recipe = LabelRecipe(
        name, (), about, factor=_factor(store, tiles), probability_channels=(ATTENTION,)
    )
    writer = LabelWriter(store.path, store.header, recipe)
    shape = writer.class_map.array.shape
    grid = store.header.grid.coarser(recipe.factor) if recipe.factor > 1 else store.header.grid
    for shard in shards_of(shape):
        if writer.probability.is_done(shard) and writer.class_map.is_done(shard):
            continue
        weight, seen = tiles.blended(grid, *shard_slices(shard, shape))
        shown = np.rint(255 * np.minimum(weight / tiles.largest, 1)).astype(np.uint8)
        writer.probability.write(shard, shown[None])
        values = np.where(seen, np.uint8(BACKGROUND_INDEX), np.uint8(NOT_ASSESSED))
        writer.class_map.write(shard, values)
    writer.finish()
    return store.label(name)


def _factor(store: SlideStore, tiles: WeighedTiles) -> int:
    """Store pixels per pixel: several across a tile, and no coarser than programs take."""
    side_px = tiles.side[0] / store.header.grid.downsample_x
    coarsest = LARGEST_MPP_UM / store.mpp
    return max(1, int(min(side_px / _PIXELS_PER_TILE, coarsest)))
