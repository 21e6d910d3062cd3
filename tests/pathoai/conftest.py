"""Stores that the tests of the core share; they are only read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.slide.open_slide import open_slide
from pathoai.testing.generated_slide import SlideTruth

SLIDE_ID = "0123456789ABCDEF"


@pytest.fixture(scope="session")
def tiled_store(
    generated: tuple[Path, SlideTruth], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The store of the generated slide, at its own 0.5 µm: one shard."""
    return _tiled(generated[0], tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def four_shard_store(
    two_level_slide: tuple[Path, SlideTruth], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The store of the two-level slide, at its own 0.5 µm: two by two shards."""
    return _tiled(two_level_slide[0], tmp_path_factory.mktemp("store-of-four"))


def _tiled(slide: Path, folder: Path) -> Path:
    from pathoai.preprocess.slide_source import SlideSource
    from pathoai.preprocess.tile_slide import tile_slide
    from pathoai.preprocess.tiling_settings import TilingSettings
    from pathoai.tiling.spec import TileSpec

    path = folder / f"{SLIDE_ID}.zarr"
    settings = TilingSettings(TileSpec(size_px=128, mpp=0.5), mpp=0.5, compression="blosc-zstd")
    source = SlideSource(lambda: open_slide(slide, slide_id=SLIDE_ID), slide)
    tile_slide(source, path, settings)
    return path


@pytest.fixture(scope="session")
def stained_noise() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pixels of two shards at store scale: glass, with two pieces of noisy pink tissue.

    `(600, 4300, 3)` uint8. The first piece crosses the border between shards at x = 2048; there
    is none in the third shard, from x = 4096 on.
    """
    rng = np.random.default_rng(4)
    pixels = np.full((600, 4300, 3), 245, np.uint8)
    for left, right in ((1500, 2500), (3000, 3500)):
        noise = rng.integers(-30, 30, (500, right - left, 3))
        pixels[50:550, left:right] = np.clip(np.array([200, 120, 170]) + noise, 0, 255)
    return pixels
