"""Outlines are pixel edges: areas exact, blocks invisible, and back to the same pixels."""

from __future__ import annotations

from collections.abc import Iterable
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
from pathoai.vector.polygonise import (
    Piece,
    merge_seams,
    outline_numbers,
    polygonise,
    to_level_0,
)
from pathoai.vector.rasterise import rasterise

_BLOCK_PX = 8
_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=26),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 255]),
)


def _blockwise(class_map: NDArray[np.uint8]) -> list[Piece]:
    pieces: list[Piece] = []
    for y in range(0, class_map.shape[0], _BLOCK_PX):
        for x in range(0, class_map.shape[1], _BLOCK_PX):
            block = class_map[y : y + _BLOCK_PX, x : x + _BLOCK_PX]
            pieces += polygonise(block, origin_px=(x, y))
    return merge_seams(pieces, block_px=_BLOCK_PX)


def _pixels(
    pieces: Iterable[Piece], shape: tuple[int, ...]
) -> set[tuple[int, frozenset[tuple[int, int]]]]:
    """Which pixels each piece covers, by painting it back."""
    grid = Grid(Size(shape[1], shape[0]), 1.0, 1.0)
    found = set()
    for piece in pieces:
        painted = rasterise([(piece.polygon, 1)], grid)
        where = frozenset((y, x) for y, x in np.argwhere(painted).tolist())
        assert piece.polygon.area == len(where)
        found.add((piece.value, where))
    return found


def _regions(class_map: NDArray[np.uint8]) -> set[tuple[int, frozenset[tuple[int, int]]]]:
    """The connected regions themselves, by scipy."""
    found = set()
    for value in set(np.unique(class_map).tolist()) - {0, 255}:
        labels, count = ndimage.label(class_map == value)
        for region in range(1, count + 1):
            where = frozenset((y, x) for y, x in np.argwhere(labels == region).tolist())
            found.add((value, where))
    return found


@settings(max_examples=60)
@given(_maps)
def test_every_region_is_one_polygon_of_its_pixels(class_map: NDArray[np.uint8]) -> None:
    pieces = polygonise(class_map)
    regions = _regions(class_map)
    assert len(pieces) == len(regions)
    assert _pixels(pieces, class_map.shape) == regions


@settings(max_examples=150)
@given(_maps)
def test_blocks_leave_no_trace(class_map: NDArray[np.uint8]) -> None:
    pieces = _blockwise(class_map)
    regions = _regions(class_map)
    assert len(pieces) == len(regions)
    assert _pixels(pieces, class_map.shape) == regions


@pytest.mark.parametrize("density", [0.3, 0.5, 0.6, 0.8])
def test_blocks_leave_no_trace_in_dense_noise(density: float) -> None:
    """Regions that touch themselves and each other at corners, rings within rings."""
    for seed in range(4):
        noise = np.random.default_rng(seed).random((60, 60)) < density
        class_map = noise.astype(np.uint8)
        pieces = _blockwise(class_map)
        assert _pixels(pieces, class_map.shape) == _regions(class_map)


def test_merged_outlines_equal_those_of_the_whole_point_by_point() -> None:
    y, x = np.mgrid[:40, :40]
    class_map = (
        ((x - 20) ** 2 + (y - 19) ** 2 < 170) & ((x - 18) ** 2 + (y - 20) ** 2 > 20)
    ).astype(np.uint8)
    (whole,), (merged,) = polygonise(class_map), _blockwise(class_map)
    assert shapely.equals_exact(shapely.normalize(whole.polygon), shapely.normalize(merged.polygon))
    assert len(merged.polygon.interiors) == 1


def test_a_region_with_a_hole_at_8_store_pixels_per_pixel() -> None:
    """50 × 50 less 20 × 20 is 2,100 pixels of 8 × 8: 134,400 px² in one polygon with one hole."""
    class_map = np.zeros((100, 120), np.uint8)
    class_map[10:60, 30:80] = 3
    class_map[25:45, 45:65] = 0
    (piece,) = polygonise(class_map)
    grid = Grid(Size(960, 800), 1.0, 1.0).coarser(8)
    outline = to_level_0(piece.polygon, grid.affine_to_level_0())
    assert outline.area == 134_400
    assert len(outline.interiors) == 1
    assert outline.bounds == (240.0, 80.0, 640.0, 480.0)
    assert piece.value == 3
    np.testing.assert_array_equal(rasterise([(outline, 3)], grid), class_map)


@settings(max_examples=40)
@given(_maps, st.floats(0.3, 40), st.floats(0.3, 40))
def test_polygons_are_painted_back_to_the_same_pixels(
    class_map: NDArray[np.uint8], downsample_x: float, downsample_y: float
) -> None:
    grid = Grid(Size(class_map.shape[1], class_map.shape[0]), downsample_x, downsample_y)
    shapes = [
        (to_level_0(p.polygon, grid.affine_to_level_0()), p.value) for p in polygonise(class_map)
    ]
    expected = np.where(class_map == 255, 0, class_map)
    np.testing.assert_array_equal(rasterise(shapes, grid), expected)


def test_weights_are_averaged_over_the_region_also_across_a_seam() -> None:
    class_map = np.zeros((8, 16), np.uint8)
    class_map[2:6, 5:11] = 1
    weights = np.random.default_rng(0).random((8, 16)).astype(np.float32)
    pieces: list[Piece] = []
    for x in (0, 8):
        block = np.s_[:, x : x + 8]
        pieces += polygonise(class_map[block], origin_px=(x, 0), weights=weights[block])
    (merged,) = merge_seams(pieces, block_px=_BLOCK_PX)
    assert merged.weight == pytest.approx(weights[class_map == 1].mean(), rel=1e-5)


def test_other_values_can_be_left_out() -> None:
    class_map = np.array([[1, 2, 3]], np.uint8)
    assert {p.value for p in polygonise(class_map, ignore=(2,))} == {1, 3}
    assert polygonise(np.zeros((4, 4), np.uint8)) == []
    assert merge_seams([], block_px=8) == []


def test_a_block_of_the_grid_is_painted_in_place() -> None:
    grid = Grid(Size(40, 30), 4.0, 4.0)
    shapes: list[tuple[Any, int]] = [
        (shapely.box(8, 8, 80, 80), 1),
        (shapely.box(40, 40, 100, 100), 2),
    ]
    whole = rasterise(shapes, grid, fill=7)
    block = rasterise(shapes, grid, origin_px=(6, 5), size_px=Size(20, 10), fill=7)
    np.testing.assert_array_equal(block, whole[5:15, 6:26])
    assert set(np.unique(whole)) == {1, 2, 7}
    assert whole[15, 15] == 2


@settings(max_examples=40)
@given(_maps, st.sampled_from([0, 2**24, 2**31 - 300]))
def test_numbered_regions_are_outlined_each_with_its_own_number(
    class_map: NDArray[np.uint8], first: int
) -> None:
    """Also where numbers are so large that single precision would run them together."""
    numbers = np.where(class_map > 0, class_map + np.uint32(first), np.uint32(0))
    found, outlines = outline_numbers(numbers, (7, 3))
    grid = Grid(Size(class_map.shape[1], class_map.shape[0]), 1.0, 1.0)
    moved = shapely.transform(outlines, lambda xy: xy - np.array([7, 3]))
    painted = rasterise(zip(moved, found.tolist(), strict=True), grid, fill=np.uint32(0))
    np.testing.assert_array_equal(painted, numbers)
    assert shapely.area(outlines).sum() == (numbers > 0).sum()
    assert shapely.is_valid(outlines).all()
