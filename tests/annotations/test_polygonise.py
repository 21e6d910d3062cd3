"""Outlines follow pixel edges, hold holes, and do not show where blocks met."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.vector.polygonise import Piece, merge_seams, polygonise, to_level_0
from pathoai.vector.rasterise import rasterise

Mask = NDArray[np.uint8]
_SHAPES = st.tuples(st.integers(1, 13), st.integers(1, 13))
_MASKS = hnp.arrays(np.uint8, _SHAPES, elements=st.sampled_from([0, 1, 2]))


def _in_blocks(mask: Mask, block_px: int) -> list[Piece]:
    pieces = []
    for y in range(0, mask.shape[0], block_px):
        for x in range(0, mask.shape[1], block_px):
            block = mask[y : y + block_px, x : x + block_px]
            pieces += polygonise(block, origin_px=(x, y))
    return pieces


def _as_set(pieces: list[Piece]) -> set[tuple[int, bytes]]:
    return {(p.value, shapely.to_wkb(shapely.normalize(p.polygon))) for p in pieces}


@settings(deadline=None)
@given(_MASKS)
def test_outlines_are_valid_and_their_areas_are_those_of_the_mask(mask: Mask) -> None:
    pieces = polygonise(mask)

    assert all(p.polygon.is_valid for p in pieces)
    for value in (1, 2):
        area = sum(p.polygon.area for p in pieces if p.value == value)
        assert area == (mask == value).sum()


@given(_MASKS, st.integers(1, 6))
@settings(max_examples=120, deadline=None)
def test_outlining_by_blocks_equals_outlining_at_once(mask: Mask, block_px: int) -> None:
    merged = merge_seams(_in_blocks(mask, block_px), block_px=block_px)

    assert _as_set(merged) == _as_set(polygonise(mask))


@settings(deadline=None)
@given(_MASKS, st.sampled_from([0.5, 1.0, 1.9786, 4.0032, 8.0]))
def test_painting_the_outlines_gives_the_mask_back(mask: Mask, downsample: float) -> None:
    grid = Grid(Size(mask.shape[1], mask.shape[0]), downsample, downsample)
    affine = grid.affine_to_level_0()

    outlines = [(to_level_0(p.polygon, affine), p.value) for p in polygonise(mask)]

    np.testing.assert_array_equal(rasterise(outlines, grid), mask)


def test_a_hole_is_kept_and_areas_are_exact() -> None:
    """50 × 50 pixels less 20 × 20, each of 8 × 8 level-0 pixels: 134,400."""
    mask = np.zeros((80, 90), np.uint8)
    mask[10:60, 10:60] = 3
    mask[20:40, 30:50] = 0
    affine = Grid(Size(90, 80), 8.0, 8.0).affine_to_level_0()

    (piece,) = polygonise(mask)
    outline = to_level_0(piece.polygon, affine)

    assert piece.value == 3
    assert outline.area == 134_400
    assert len(outline.interiors) == 1
    assert outline.bounds == (80, 80, 480, 480)


def test_pixels_that_touch_at_a_corner_are_two_objects() -> None:
    mask = np.eye(2, dtype=np.uint8)

    assert len(polygonise(mask)) == 2
    assert len(merge_seams(_in_blocks(mask, 1), block_px=1)) == 2


def test_what_nobody_assessed_is_not_outlined() -> None:
    mask = np.array([[0, 255, 4]], np.uint8)

    assert [p.value for p in polygonise(mask)] == [4]


def test_probabilities_are_averaged_over_the_whole_object() -> None:
    mask = np.ones((1, 4), np.uint8)
    probability = np.array([[0.1, 0.2, 0.3, 0.8]], np.float32)

    pieces = polygonise(mask[:, :3], weights=probability[:, :3])
    pieces += polygonise(mask[:, 3:], origin_px=(3, 0), weights=probability[:, 3:])
    (whole,) = merge_seams(pieces, block_px=3)

    assert whole.weight == pytest.approx(0.35)


def test_an_empty_map_has_no_outline() -> None:
    assert polygonise(np.zeros((4, 4), np.uint8)) == []
    assert merge_seams([], block_px=4) == []
