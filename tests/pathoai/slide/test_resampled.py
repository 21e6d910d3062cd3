"""Any part of a slide at any scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Size
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.open_slide import open_slide
from pathoai.slide.resampled import read_grid, read_grid_block
from pathoai.testing.generated_slide import SlideTruth


def _noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_slides_own_scale_gives_its_own_pixels() -> None:
    pixels = _noise(50, 60)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5))
    np.testing.assert_array_equal(read_grid(reader, reader.info.grid(0.5)), pixels)


def test_a_whole_ratio_gives_block_means() -> None:
    pixels = _noise(48, 64)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5))
    found = read_grid(reader, reader.info.grid(2.0))
    means = pixels.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    # Pillow rounds after each axis.
    assert np.abs(found - means).max() <= 1.0


def test_blocks_are_crops_of_the_whole() -> None:
    reader = MemoryReader(_noise(700, 900), mpp=Mpp.square(0.5))
    grid = reader.info.grid(1.7)
    whole = read_grid(reader, grid)
    for x, y in ((0, 0), (37, 61), (200, 150)):
        found = read_grid_block(reader, grid, x, y, Size(40, 30))
        difference = np.abs(found.astype(int) - whole[y : y + 30, x : x + 40])
        # Pillow computes with fixed-point weights that depend on where its box starts.
        assert difference.max() <= 2


def test_coarse_levels_and_level_0_agree(two_level_slide: tuple[Path, SlideTruth]) -> None:
    """Read from the file's coarse level or from level 0, the picture is the same."""
    with open_slide(two_level_slide[0]) as reader:
        from_coarse = read_grid(reader, reader.info.grid(8.0))
        pixels = reader.read_region(0, 0, 0, reader.info.size)
    from_fine = read_grid(
        memory := MemoryReader(pixels, mpp=Mpp.square(0.5)), memory.info.grid(8.0)
    )
    assert from_coarse.shape == from_fine.shape
    assert np.abs(from_coarse.astype(int) - from_fine).mean() < 2.0


def test_a_slide_without_coarse_levels_is_read_in_small_parts() -> None:
    """At 8 µm, a region of 1024 px spans 268 million pixels of such a slide."""
    read: list[int] = []

    class Watched(MemoryReader):
        def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
            read.append(size_px.width * size_px.height)
            return super().read_region(x, y, level, size_px)

    pixels = _noise(64, 80).repeat(48, axis=0).repeat(48, axis=1)
    reader = Watched(pixels, mpp=Mpp.square(0.25))
    found = read_grid(reader, reader.info.grid(12.0))
    np.testing.assert_array_equal(found, pixels[::48, ::48])
    assert max(read) <= 2**20
    assert sum(read) == pixels.shape[0] * pixels.shape[1]
