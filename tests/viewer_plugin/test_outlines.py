from __future__ import annotations

import uuid

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon

from napari_pathoai.drawing.outlines import (
    area_from,
    as_displayed,
    ellipse_outline,
    holes_of,
    parts_of,
    vertices_of,
    with_exact_vertices,
    with_outline,
    without_part,
)
from napari_pathoai.drawing.shape_changes import NO_ID, Changes, LayerRow, ShownShape, find_changes
from pathoai.errors import AnnotationError

RING = Polygon(
    shapely.box(0.1, 0.2, 100.3, 90.7).exterior, [shapely.box(20, 20, 40, 40).exterior.coords]
)
TWO = MultiPolygon([RING, shapely.box(200, 0, 250, 50)])


@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=3, max_size=30))
def test_an_outline_goes_to_napari_and_back_exactly(points: list[tuple[float, float]]) -> None:
    hull = shapely.MultiPoint(points).convex_hull
    if isinstance(hull, Polygon) and hull.is_valid and hull.area > 1e-3:
        assert area_from(vertices_of(hull)).wkb == hull.wkb


def test_a_new_outline_keeps_the_holes() -> None:
    wider = vertices_of(shapely.box(-10, -10, 120, 100).segmentize(50))
    changed = with_outline(RING, 0, wider)
    assert np.array_equal(holes_of(parts_of(changed)[0]), holes_of(RING))
    assert changed.bounds == (-10, -10, 120, 100)


def test_an_outline_that_would_lose_a_hole_is_refused() -> None:
    with pytest.raises(AnnotationError, match="hole"):
        with_outline(RING, 0, vertices_of(shapely.box(30, 30, 100, 90)))


def test_holes_move_with_an_annotation_that_is_moved_as_a_whole() -> None:
    far = vertices_of(RING) + np.array([70000.0, 60000.0])
    moved = with_outline(RING, 0, np.asarray(as_displayed(far), np.float64))
    assert moved.equals_exact(shapely.affinity.translate(RING, 60000, 70000), 0.02)


def test_parts_of_an_annotation_are_changed_one_by_one() -> None:
    changed = with_outline(TWO, 1, vertices_of(shapely.box(210, 0, 260, 50)))
    assert parts_of(changed)[0].equals_exact(RING, 0)
    assert without_part(TWO, 0) == parts_of(TWO)[1]
    assert without_part(RING, 0) is None
    with pytest.raises(AnnotationError, match="overlap"):
        with_outline(TWO, 1, vertices_of(shapely.box(50, 0, 260, 50)))


def test_an_outline_that_crosses_itself_keeps_its_largest_part() -> None:
    drawn = np.array([[0, 0], [0, 100], [100, 100], [100, 0], [-10, 40]], float)
    whole = area_from(drawn)
    assert whole.is_valid
    assert whole.area > 5000


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [5, 5], [10, 10]]])
def test_an_outline_around_nothing_is_refused(points: list[list[float]]) -> None:
    with pytest.raises(AnnotationError):
        area_from(np.asarray(points, float))


def test_points_have_no_parts() -> None:
    assert parts_of(Point(1, 2)) == []


def test_an_ellipse_fills_its_box() -> None:
    corners = np.array([[0, 0], [0, 40], [20, 40], [20, 0]], float)
    ellipse = area_from(ellipse_outline(corners))
    assert ellipse.bounds == pytest.approx((0, 0, 40, 20))
    assert ellipse.area == pytest.approx(np.pi * 20 * 10, rel=0.01)


def test_untouched_vertices_keep_their_precision() -> None:
    former = np.random.default_rng(0).uniform(0, 1e5, (20, 2))
    edited = as_displayed(former).copy()
    edited[4] += 100
    edited = np.delete(edited, 9, axis=0)
    exact = with_exact_vertices(np.asarray(edited, np.float64), former)
    untouched = np.delete(np.arange(20), [4, 9])
    assert np.array_equal(np.delete(exact, 4, axis=0), former[untouched])
    assert exact[4] == pytest.approx(former[4] + 100, abs=0.02)


def shown(number: int, part: int = 0) -> ShownShape:
    outline = vertices_of(shapely.box(number, 0, number + 9.3, 9.7))
    return ShownShape(uuid.UUID(int=number), part, "hsil", outline)


def row(shape: ShownShape, **changes: object) -> LayerRow:
    values = {
        "annotation_id": str(shape.annotation_id),
        "part": shape.part,
        "label": shape.label,
        "outline": as_displayed(shape.outline),
    }
    return LayerRow(**(values | changes))  # type: ignore[arg-type] # a row with one thing changed


def test_nothing_done_is_no_change() -> None:
    shapes = [shown(1), shown(2), shown(2, 1)]
    changes = find_changes(shapes, [row(s) for s in shapes])
    assert changes == Changes()


def test_every_kind_of_change_is_found() -> None:
    one, two, three, four = (shown(i) for i in (1, 2, 3, 4))
    moved = row(two, outline=as_displayed(two.outline) + 1)
    new = row(one, annotation_id=NO_ID, part=-1)
    changes = find_changes([one, two, three, four], [row(one), moved, row(three, label="ais"), new])
    assert changes.drawn == [3]
    assert changes.outlined == [(1, two)]
    assert changes.relabelled == [(2, three)]
    assert changes.deleted == [four]


def test_both_lobes_of_a_figure_of_eight_are_kept() -> None:
    eight = np.array([[0, 0], [100, 100], [0, 100], [100, 0]], float)
    area = area_from(eight)
    assert isinstance(area, MultiPolygon)
    assert area.is_valid
    assert area.area == pytest.approx(5000)


def test_an_edit_that_crosses_itself_keeps_its_holes() -> None:
    eight = np.array([[0, 0], [100, 400], [0, 400], [100, 0]], float)
    hole = shapely.box(20, 45, 40, 55)
    former = Polygon(shapely.box(0, 0, 400, 100).exterior, [hole.exterior.coords])
    changed = with_outline(former, 0, eight)
    assert len(parts_of(changed)) == 2
    assert changed.area == pytest.approx(20_000 - hole.area)


def test_a_row_of_an_annotation_that_is_not_shown_was_not_drawn() -> None:
    left_over = row(shown(1))
    changes = find_changes([], [left_over])
    assert changes == Changes(strange=[0])


def test_a_pasted_copy_is_a_new_annotation() -> None:
    one = shown(1)
    changes = find_changes([one], [row(one), row(one, outline=as_displayed(one.outline) + 5)])
    assert changes.drawn == [1]
    assert not changes.outlined
