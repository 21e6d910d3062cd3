"""Edits of outlines against what they mean for pixels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from shapely import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.drawing.block import exact_outline
from pathoai_annotations.drawing.outline_edits import (
    added,
    areas_of,
    merged,
    simplified,
    split_by,
    subtracted,
    without_holes,
)
from tests.annotations.drawing.painted_masks import SIDE_PX, UNIT, any_mask, raster, strokes

RING = Polygon(box(0, 0, 100, 100).exterior, [box(20, 20, 40, 40).exterior])
FEW = settings(max_examples=60, deadline=None)


def outlined(mask: NDArray[np.bool_]) -> BaseGeometry:
    outline = exact_outline(mask, UNIT)
    assert outline is not None
    return outline


@FEW
@given(any_mask, any_mask)
def test_adding_is_the_union_of_pixels(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> None:
    assume(one.any() and other.any())
    whole = added(outlined(one), outlined(other))
    assert whole.is_valid
    assert np.array_equal(raster(whole), one | other)
    assert whole.area == pytest.approx((one | other).sum())


@FEW
@given(any_mask, any_mask)
def test_subtracting_leaves_the_difference_of_pixels(
    one: NDArray[np.bool_], other: NDArray[np.bool_]
) -> None:
    assume(one.any() and other.any())
    left = subtracted(outlined(one), outlined(other))
    assert (left is None) == (not (one & ~other).any())
    assert left is None or left.is_valid
    assert np.array_equal(raster(left), one & ~other)


@FEW
@given(strokes())
def test_filling_all_holes_is_what_it_is_for_pixels(mask: NDArray[np.bool_]) -> None:
    outline = outlined(mask)
    # Each region alone: pixels that touch at a corner only are apart, and enclose nothing.
    regions, count = ndimage.label(mask)
    full = np.any([ndimage.binary_fill_holes(regions == n) for n in range(1, count + 1)], axis=0)
    if np.array_equal(full, mask):
        with pytest.raises(AnnotationError, match="no hole"):
            without_holes(outline)
    else:
        assert np.array_equal(raster(without_holes(outline)), full)


@FEW
@given(strokes(), st.integers(1, SIDE_PX - 1))
def test_the_pieces_of_a_split_are_the_pixels_on_both_sides(
    mask: NDArray[np.bool_], column: int
) -> None:
    outline, line = outlined(mask), LineString([(column, -1), (column, SIDE_PX + 1)])
    regions, count = ndimage.label(mask)
    crossed = [
        n
        for n in range(1, count + 1)
        if (regions[:, :column] == n).any() and (regions[:, column:] == n).any()
    ]
    if not crossed:
        with pytest.raises(AnnotationError, match="cuts nothing off"):
            split_by(outline, line)
        return
    pieces = split_by(outline, line)
    assert sum(raster(piece).astype(int) for piece in pieces).max() == 1  # type: ignore[union-attr] # two pieces or more
    assert np.array_equal(np.any([raster(piece) for piece in pieces], axis=0), mask)
    for piece in pieces[1:]:
        held = raster(piece)
        assert not held[:, :column].any() or not held[:, column:].any()


def test_a_stroke_can_cut_an_annotation_into_parts_and_crumbs_go() -> None:
    left = subtracted(RING, box(48, -10, 52, 110))
    assert left is not None
    assert sorted(len(part.interiors) for part in areas_of(left)) == [0, 1]
    assert left.area == pytest.approx(RING.area - 400)
    crumbs = subtracted(RING, box(1, -10, 110, 110), smallest_area=150)
    assert crumbs is None


def test_one_hole_or_all_are_filled_with_what_lay_in_them() -> None:
    holes = [box(10, 10, 30, 30).exterior, box(50, 50, 80, 80).exterior]
    two = Polygon(box(0, 0, 100, 100).exterior, holes)
    with_island = MultiPolygon([two, box(60, 60, 70, 70)])
    assert without_holes(with_island).equals(box(0, 0, 100, 100))
    one = without_holes(with_island, Point(20, 20))
    assert one.area == pytest.approx(10_000 - 900 + 100)
    assert len(areas_of(one)) == 2
    with pytest.raises(AnnotationError, match="no hole"):
        without_holes(two, Point(5, 5))


def test_a_line_through_a_hole_cuts_and_other_parts_stay() -> None:
    both = MultiPolygon([RING, box(200, 0, 210, 10)])
    kept, other = split_by(both, LineString([(30, -5), (30, 105)]))
    assert other.area == pytest.approx(30 * 100 - 10 * 20)
    assert kept.area == pytest.approx(both.area - other.area)
    assert len(areas_of(kept)) == 2


def test_a_shaky_line_cuts_and_its_crumbs_stay_with_the_largest_piece() -> None:
    loop = LineString([(-5, 70), (50, 70), (54, 74), (54, 70), (50, 74), (60, 70), (105, 70)])
    pieces = split_by(RING, loop, smallest_area=20)
    assert len(pieces) == 2
    assert sum(piece.area for piece in pieces) == pytest.approx(RING.area)


@pytest.mark.parametrize(
    "points",
    [[(-5, 50), (50, 50)], [(30, 30), (35, 35)], [(200, 0), (200, 50)], [(0, 0), (100, 0)]],
)
def test_a_line_that_does_not_cross_cuts_nothing(points: list[tuple[float, float]]) -> None:
    with pytest.raises(AnnotationError, match="from outside to outside"):
        split_by(RING, LineString(points))


def test_merging_takes_areas_two_or_more() -> None:
    assert merged([box(0, 0, 10, 10), box(5, 0, 20, 10)]).equals(box(0, 0, 20, 10))
    assert len(areas_of(merged([box(0, 0, 10, 10), box(50, 0, 60, 10)]))) == 2
    for few in ([], [RING], [RING, Point(1, 1)]):
        with pytest.raises(AnnotationError, match="two areas or more"):
            merged(few)


def test_nothing_added_to_nothing_is_refused() -> None:
    with pytest.raises(AnnotationError, match="nothing was drawn"):
        added(Point(1, 1), LineString([(0, 0), (1, 1)]))


@FEW
@given(any_mask, st.floats(0.0, 3.0))
def test_simplifying_stays_near_and_never_crosses(
    mask: NDArray[np.bool_], tolerance: float
) -> None:
    assume(mask.any())
    outline = outlined(mask)
    simple = simplified(outline, tolerance)
    assert simple.is_valid
    assert len(areas_of(simple)) == len(areas_of(outline))
    assert shapely.get_num_coordinates(simple) <= shapely.get_num_coordinates(outline)
    assert simple.boundary.hausdorff_distance(outline.boundary) <= max(tolerance, 0.01) * 1.5
