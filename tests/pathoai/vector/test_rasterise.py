"""A pixel takes the value of the last outline that holds its centre."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, box

from pathoai.geometry import Grid, Size
from pathoai.vector.rasterise import rasterise

GRID = Grid(Size(6, 4), 8.0, 8.0)


def test_later_outlines_are_painted_over_earlier_ones() -> None:
    painted = rasterise([(box(0, 0, 48, 32), 1), (box(8, 8, 24, 24), 2)], GRID)

    assert (painted[1:3, 1:3] == 2).all()
    assert (painted == 2).sum() == 4
    assert (painted == 1).sum() == 20


def test_where_there_is_no_outline_there_is_the_fill_value() -> None:
    assert (rasterise([], GRID, fill=255) == 255).all()
    assert rasterise([(box(0, 0, 8, 8), 3)], GRID, fill=255)[0].tolist() == [3] + [255] * 5


def test_holes_and_parts_are_kept() -> None:
    ring = box(0, 0, 24, 24).difference(box(8, 8, 16, 16))

    painted = rasterise([(MultiPolygon([ring, box(40, 24, 48, 32)]), 7)], GRID)

    assert (painted == 7).sum() == 9
    assert painted[1, 1] == 0
    assert painted[3, 5] == 7


def test_outlines_outside_the_raster_paint_nothing() -> None:
    assert not rasterise([(box(-50, -50, -10, -10), 1), (box(99, 99, 120, 120), 1)], GRID).any()


def test_a_point_paints_its_pixel() -> None:
    assert np.argwhere(rasterise([(Point(17, 9), 1)], GRID)).tolist() == [[1, 2]]


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 3), st.integers(1, 6), st.integers(1, 4))
def test_a_block_equals_the_same_pixels_of_the_whole(x: int, y: int, w: int, h: int) -> None:
    shapes = [(Point(20, 15).buffer(13), 1), (box(30, 3, 46, 29), 2)]

    block = rasterise(shapes, GRID, origin_px=(x, y), size_px=Size(w, h))

    whole = rasterise(shapes, Grid(Size(12, 8), 8.0, 8.0))
    np.testing.assert_array_equal(block, whole[y : y + h, x : x + w])
