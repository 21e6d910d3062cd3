"""Outlines are pixel edges: areas exact, holes kept, and back to the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage

from pathoai.geometry import Grid, Size
from pathoai.vector.polygonise import Piece, polygonise, to_level_0
from pathoai.vector.rasterise import rasterise

_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=26),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 255]),
)

_Regions = set[tuple[int, frozenset[tuple[int, int]]]]


def _pixels(pieces: list[Piece], shape: tuple[int, ...]) -> _Regions:
    """Which pixels each piece covers, by painting it back."""
    grid = Grid(Size(shape[1], shape[0]), 1.0, 1.0)
    found = set()
    for piece in pieces:
        painted = rasterise([(piece.polygon, 1)], grid)
        where = frozenset((y, x) for y, x in np.argwhere(painted).tolist())
        assert piece.polygon.area == len(where)
        found.add((piece.value, where))
    return found


def _regions(class_map: NDArray[np.uint8]) -> _Regions:
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


@settings(max_examples=100)
@given(_maps)
def test_outlines_are_those_of_gdal(class_map: NDArray[np.uint8]) -> None:
    """Another program's answer, from its beginning points and directions to a form of their own."""
    shown = ~np.isin(class_map, (0, 255))
    found = features.shapes(class_map, mask=shown, connectivity=4)
    expected = {
        (int(value), shapely.normalize(shapely.geometry.shape(one)).wkb) for one, value in found
    }
    ours = polygonise(class_map)
    assert {(p.value, shapely.normalize(p.polygon).wkb) for p in ours} == expected
    assert all(p.polygon.is_valid for p in ours)


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


@settings(max_examples=60)
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


def test_pixels_that_touch_at_a_corner_are_two_objects() -> None:
    assert len(polygonise(np.eye(2, dtype=np.uint8))) == 2
    board = np.indices((6, 7)).sum(axis=0).astype(np.uint8) % 2
    assert len(polygonise(board)) == 21


def test_a_region_that_touches_itself_at_a_corner_has_a_hole_there() -> None:
    """The outer ring and the hole share a point, as the OGC allows; no ring meets itself."""
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.uint8)
    (piece,) = polygonise(ring)
    assert piece.polygon.is_valid
    assert len(piece.polygon.interiors) == 1
    assert piece.polygon.area == 7


def test_weights_are_averaged_over_the_region() -> None:
    class_map = np.zeros((8, 16), np.uint8)
    class_map[2:6, 5:11] = 1
    weights = np.random.default_rng(0).random((8, 16)).astype(np.float32)
    (piece,) = polygonise(class_map, weights=weights)
    assert piece.weight == pytest.approx(weights[class_map == 1].mean(), rel=1e-5)
    assert [p.weight for p in polygonise(class_map)] == [1.0]


def test_other_values_can_be_left_out() -> None:
    class_map = np.array([[1, 2, 3]], np.uint8)
    assert {p.value for p in polygonise(class_map, ignore=(2,))} == {1, 3}
    assert [p.value for p in polygonise(np.array([[0, 255, 4]], np.uint8))] == [4]
    assert polygonise(np.zeros((4, 4), np.uint8)) == []


def test_a_part_of_a_raster_is_outlined_in_its_place() -> None:
    class_map = np.zeros((9, 9), np.uint8)
    class_map[2:5, 3:7] = 1
    (whole,), (part,) = polygonise(class_map), polygonise(class_map[1:, 2:], origin_px=(2, 1))
    assert part.polygon.equals_exact(whole.polygon)
