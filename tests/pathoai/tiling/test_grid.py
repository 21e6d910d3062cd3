"""Tiles: every one with enough tissue, no other, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.geometry import Mpp, Size
from pathoai.slide.reader import Level, SlideInfo
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask


def _slide(width: int, height: int, mpp: float = 0.5) -> SlideInfo:
    return SlideInfo("CODE", (Level(Size(width, height), 1.0),), Mpp.square(mpp))


def _tissue(slide: SlideInfo, mask: NDArray[np.bool_], mpp: float) -> TissueMask:
    return TissueMask(mask, slide.grid(mpp), mpp, "otsu")


@settings(max_examples=80)
@given(
    width=st.integers(20, 300),
    height=st.integers(20, 300),
    size=st.integers(4, 90),
    share=st.floats(0, 0.95),
    smallest=st.sampled_from([0.0, 0.05, 0.5, 0.9]),
    seed=st.integers(0, 999),
)
def test_kept_tiles_are_those_with_enough_tissue(
    width: int, height: int, size: int, share: float, smallest: float, seed: int
) -> None:
    """Store and slide at one scale, the mask at four times it: tissue is counted pixel by pixel."""
    slide = _slide(width, height)
    spec = TileSpec(size, 0.5, overlap_px=int(share * size), min_tissue_fraction=smallest)
    rows, columns = -(-height // 4), -(-width // 4)
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.4
    pixels = np.zeros((rows * 4 + size, columns * 4 + size), bool)
    pixels[: rows * 4, : columns * 4] = np.kron(mask, np.ones((4, 4), bool))
    expected = []
    y = 0
    while y == 0 or y + spec.overlap_px < height:
        x = 0
        while x == 0 or x + spec.overlap_px < width:
            count = int(pixels[y : y + size, x : x + size].sum())
            if count and count >= smallest * size * size - 1e-3:
                expected.append(((x, y), count / size**2))
            x += spec.stride_px
        y += spec.stride_px
    tissue = _tissue(slide, mask, 2.0)
    if not expected:
        with pytest.raises(NoTissueError, match=r"CODE: no tile.*Remedy"):
            TileGrid.over_tissue(spec, slide, tissue)
        return
    tiles = TileGrid.over_tissue(spec, slide, tissue)
    assert [tuple(o) for o in tiles.origins_px.tolist()] == [place for place, _ in expected]
    assert tiles.tissue_fraction == pytest.approx([f for _, f in expected], abs=1e-4)
    assert len(tiles) == len(expected)


@settings(max_examples=60)
@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    size=st.integers(1, 200),
    overlap=st.integers(0, 199),
)
def test_tiles_cover_every_pixel(width: int, height: int, size: int, overlap: int) -> None:
    spec = TileSpec(size, 0.5, overlap_px=min(overlap, size - 1), min_tissue_fraction=0)
    slide = _slide(width, height)
    whole = np.ones((height, width), bool)
    if (width * height) // spec.stride_px**2 > 20_000:
        return
    tiles = TileGrid.over_tissue(spec, slide, _tissue(slide, whole, 0.5))
    covered = np.zeros((height, width), bool)
    for x, y in tiles.origins_px:
        assert not covered[y : y + spec.size_px, x : x + spec.size_px].all()
        covered[y : y + spec.size_px, x : x + spec.size_px] = True
    assert covered.all()


def test_a_tile_lies_where_its_region_says() -> None:
    """In level-0 pixels: at 0.25 µm a tile of 100 px at 1 µm spans 400 px."""
    slide = _slide(4000, 2000, mpp=0.25)
    tiles = TileGrid.over_tissue(
        TileSpec(100, 1.0), slide, _tissue(slide, np.ones((63, 125), bool), 8.0)
    )
    region = tiles.region(11)
    assert (region.x, region.y, region.width, region.height) == (400.0, 400.0, 400.0, 400.0)
    assert len(tiles) == 50


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 0.5, 0, 0.1),
        (256, 0.04, 0, 0.1),
        (256, 21.0, 0, 0.1),
        (256, float("nan"), 0, 0.1),
        (256, 0.5, 256, 0.1),
        (256, 0.5, -1, 0.1),
        (256, 0.5, 0, -0.1),
        (256, 0.5, 0, 1.1),
        (256, 0.5, 0, float("nan")),
    ],
)
def test_impossible_specs_are_refused(arguments: tuple[int, float, int, float]) -> None:
    with pytest.raises(InvalidValueError):
        TileSpec(*arguments)


def test_the_key_of_a_spec_is_a_file_name() -> None:
    assert TileSpec(256, 0.5, 64).key == "256px_0.5um_overlap64"
