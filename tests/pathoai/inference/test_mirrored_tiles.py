"""Tiles at the slide's border see it mirrored, and all tiles of a batch are those read alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.inference.mirrored_tiles import mirrored_tiles
from pathoai.store.slide_store import SlideStore


@pytest.fixture(scope="module")
def store(two_shard_store: Path) -> SlideStore:
    return SlideStore(two_shard_store)


def _expected(
    store: SlideStore, grid: Grid, origins_px: NDArray[np.int64], size: int
) -> NDArray[np.uint8]:
    """The whole raster, mirrored at its edges, cut into tiles."""
    around = 3 * size
    whole = store.read_grid(grid, 0, 0, grid.size_px)
    edges = ((around, around), (around, around), (0, 0))
    padded = np.pad(whole, edges, mode="symmetric")
    return np.stack(
        [
            padded[y + around : y + around + size, x + around : x + around + size]
            for x, y in origins_px.tolist()
        ]
    )


@pytest.mark.parametrize("size", [1, 16, 64, 256])
def test_outside_lies_the_mirror_image(store: SlideStore, size: int) -> None:
    grid = store.grid()  # 100 px high: the tiles of 256 px reach past both edges
    rng = np.random.default_rng(size)
    x = rng.integers(1 - size, grid.size_px.width, 40)
    y = rng.integers(1 - size, grid.size_px.height, 40)
    x[:4], y[:4] = 1 - size, (1 - size, 0, 5, grid.size_px.height - 1)
    origins = np.stack([x, y], axis=1)
    found = mirrored_tiles(store, grid, origins, size)
    np.testing.assert_array_equal(found, _expected(store, grid, origins, size))


@pytest.mark.parametrize("factor", [2, 1.35, 0.74])
def test_resampled_tiles_have_the_same_edges(store: SlideStore, factor: float) -> None:
    grid = store.grid().coarser(factor)
    origins = np.array([[-8, -8], [40, -8], [40, 20], [grid.size_px.width - 20, 20], [-31, 30]])
    found = mirrored_tiles(store, grid, origins, 32).astype(int)
    expected = _expected(store, grid, origins, 32)
    # Weights of other windows are rounded apart: a grey level, here and there.
    assert np.abs(found - expected).max() <= (0 if factor == 2 else 1)
    alone = [mirrored_tiles(store, grid, origins[i : i + 1], 32)[0] for i in range(len(origins))]
    np.testing.assert_array_equal(found, np.stack(alone))


def test_no_tiles_are_no_pixels(store: SlideStore) -> None:
    none = np.empty((0, 2), np.int64)
    assert mirrored_tiles(store, store.grid(), none, 8).shape == (0, 8, 8, 3)


def test_a_tile_larger_than_the_slide_sees_it_again_and_again(store: SlideStore) -> None:
    grid = store.grid()
    tile = mirrored_tiles(store, grid, np.array([[0, -60]]), 350)[0]
    part = store.read(0, 0, 0, Size(350, 100))
    np.testing.assert_array_equal(tile[60:160], part)
    np.testing.assert_array_equal(tile[160:260], part[::-1])
