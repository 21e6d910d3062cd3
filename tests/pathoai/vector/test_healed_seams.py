"""Blocks leave no trace: whatever their size, the outlines of a raster are the same points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Grid, Size
from pathoai.vector.block_outlines import BlockOutlines
from pathoai.vector.healed_seams import heal_seams
from pathoai.vector.outlined_regions import OutlinedRegions
from pathoai.vector.rasterise import rasterise
from tests.pathoai.vector.outlined_in_blocks import blocks_of, outlined_in_blocks

_WHOLE = 1 << 10
_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 255]),
)


def _same(one: OutlinedRegions, other: OutlinedRegions) -> None:
    """Equal to the last point, in the same order."""
    assert shapely.to_wkb(one.outline).tolist() == shapely.to_wkb(other.outline).tolist()
    np.testing.assert_array_equal(one.sums.value, other.sums.value)
    np.testing.assert_array_equal(one.sums.area_px, other.sums.area_px)
    np.testing.assert_array_equal(one.sums.weight, other.sums.weight)
    np.testing.assert_array_equal(one.last_px, other.last_px)


def _painted(found: OutlinedRegions, shape: tuple[int, ...]) -> NDArray[Any]:
    grid = Grid(Size(shape[1], shape[0]), 1.0, 1.0)
    shapes = zip(found.outline, found.sums.value.tolist(), strict=True)
    return rasterise(shapes, grid, fill=np.uint32(0))


@settings(max_examples=150)
@given(_maps, st.integers(1, 9))
def test_any_blocks_give_the_outlines_of_the_whole(
    class_map: NDArray[np.uint8], block_px: int
) -> None:
    whole = outlined_in_blocks(class_map, _WHOLE)
    _same(outlined_in_blocks(class_map, block_px), whole)
    assert shapely.is_valid(whole.outline).all()
    np.testing.assert_array_equal(_painted(whole, class_map.shape), class_map % 255)


@settings(max_examples=100)
@given(
    hnp.arrays(np.uint32, (9, 11), elements=st.sampled_from([0, 1, 2, 2**24, 2**31 - 5])),
    st.integers(1, 7),
)
def test_maps_of_instances_are_painted_back_to_the_same_numbers(
    numbers: NDArray[np.uint32], block_px: int
) -> None:
    found = outlined_in_blocks(numbers, block_px, ignore=(0,))
    np.testing.assert_array_equal(_painted(found, numbers.shape), numbers)
    assert shapely.area(found.outline).tolist() == found.sums.area_px.tolist()


@pytest.mark.parametrize("density", [0.3, 0.5, 0.6, 0.8])
def test_seams_are_healed_in_noise(density: float) -> None:
    """Regions that touch themselves and each other at corners, rings within rings."""
    for seed in range(2):
        noise = (np.random.default_rng(seed).random((60, 50)) < density).astype(np.uint8)
        whole = outlined_in_blocks(noise, _WHOLE)
        for block_px in (5, 16):
            _same(outlined_in_blocks(noise, block_px), whole)
        assert len(whole) == ndimage.label(noise)[1]
        np.testing.assert_array_equal(_painted(whole, noise.shape), noise)


def test_rows_of_empty_blocks_between_regions_change_nothing() -> None:
    """Regions begin, end and are whole above, below and between rows in which there is nothing."""
    sparse = np.zeros((40, 30), np.uint8)
    sparse[:5, 3:9] = sparse[10:13, 4:6] = sparse[25:35, 8:12] = sparse[38:, 1:29] = 1
    sparse[25:27, 20:24] = 2
    whole = outlined_in_blocks(sparse, _WHOLE)
    assert len(whole) == 5
    for block_px in (2, 5, 10):
        _same(outlined_in_blocks(sparse, block_px), whole)
    empty = outlined_in_blocks(np.zeros((20, 20), np.uint8), 5, weights=np.ones((2, 20, 20)))
    assert empty.sums.weight.shape == (0, 2)


def test_islands_in_lakes_on_islands() -> None:
    y, x = np.mgrid[:61, :61]
    nested = (np.maximum(abs(x - 30), abs(y - 30)) // 4 % 2).astype(np.uint8)
    found = outlined_in_blocks(nested, 16)
    assert [len(outline.interiors) for outline in found.outline].count(1) == len(found) == 4
    np.testing.assert_array_equal(_painted(found, nested.shape), nested)


def _spiral(side: int) -> NDArray[np.uint8]:
    """A line one pixel wide that winds inwards, with a gap of one pixel."""
    turns = np.zeros((side, side), np.uint8)
    y, x, dy, dx = 0, 0, 0, 1
    turns[0, 0] = 1
    for length in (side - 1, *(n for n in range(side - 1, 1, -2) for _ in (0, 1))):
        for _ in range(length):
            y, x = y + dy, x + dx
            turns[y, x] = 1
        dy, dx = dx, -dy
    return turns


@pytest.mark.parametrize("block_px", [7, 64, _WHOLE])
def test_a_line_that_winds_through_all_blocks_is_one_ring(block_px: int) -> None:
    spiral = _spiral(121)
    assert ndimage.label(spiral)[1] == 1
    found = outlined_in_blocks(spiral, block_px)
    assert len(found) == 1
    assert found.outline[0].is_valid
    assert found.outline[0].area == spiral.sum() == found.sums.area_px[0]
    np.testing.assert_array_equal(_painted(found, spiral.shape), spiral)


@settings(max_examples=60)
@given(_maps, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_each_region_pixel_by_pixel(
    class_map: NDArray[np.uint8], block_px: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).integers(0, 256, (2, *class_map.shape), np.uint8)
    found = outlined_in_blocks(class_map, block_px, weights=weights)
    grid = Grid(Size(class_map.shape[1], class_map.shape[0]), 1.0, 1.0)
    for outline, area, weight in zip(
        found.outline, found.sums.area_px, found.sums.weight, strict=True
    ):
        inside = rasterise([(outline, 1)], grid) == 1
        assert area == inside.sum()
        assert weight.tolist() == weights[:, inside].sum(axis=1).tolist()


@settings(max_examples=60)
@given(_maps, st.integers(1, 9), st.integers(1, 12))
def test_small_regions_are_left_out_wherever_seams_run(
    class_map: NDArray[np.uint8], block_px: int, smallest_px: int
) -> None:
    found = outlined_in_blocks(class_map, block_px, smallest_px=smallest_px)
    every = outlined_in_blocks(class_map, _WHOLE)
    chosen = every.sums.area_px >= smallest_px
    assert shapely.to_wkb(found.outline).tolist() == shapely.to_wkb(every.outline[chosen]).tolist()


def test_what_ended_is_given_before_the_next_row_is_looked_at() -> None:
    class_map = np.kron(np.eye(4, dtype=np.uint8), np.pad(np.ones((6, 6), np.uint8), 1))
    class_map[:, 30] = 2  # one region goes through all rows
    looked_at: list[int] = []

    def blocks() -> Iterator[BlockOutlines]:
        for block in blocks_of(class_map, 8):
            looked_at.append(block.frame.y)
            yield block

    rows = heal_seams(blocks())
    for number, row in enumerate(rows):
        assert max(looked_at) <= 8 * (number + 1)
        assert 1 in row.ended.sums.value.tolist()
        assert row.going_on.tolist() == ([2] if number < 3 else [])
        assert row.is_first == (number == 0)


def test_a_raster_without_regions_has_none() -> None:
    assert len(outlined_in_blocks(np.zeros((9, 9), np.uint8), 4)) == 0
    assert len(outlined_in_blocks(np.full((9, 9), 255, np.uint8), 4)) == 0
    assert len(outlined_in_blocks(np.full((9, 9), 3, np.uint8), 4)) == 1
