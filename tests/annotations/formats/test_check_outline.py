"""Outlines are kept, refused by name, or mended aloud; never mended in silence beyond rounding."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from shapely import LineString, MultiPoint, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp, Size
from pathoai_annotations.formats.check_outline import checked_outline
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.slide_frame import SlideFrame
from tests.annotations.formats.drawn_outlines import outlines

FRAME = SlideFrame(Size(1000, 500), Mpp.square(0.5))
BOW_TIE = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


def checked(
    geometry: BaseGeometry, *, repair: bool = False, frame: SlideFrame | None = FRAME
) -> tuple[BaseGeometry | None, ExchangeReport]:
    report = ExchangeReport("test")
    told = report if repair else None
    return checked_outline(geometry, frame=frame, where="feature 7", repair=told), report


@settings(max_examples=50, deadline=None)
@given(outlines())
def test_a_sound_outline_is_left_as_it_is(outline: Polygon | MultiPolygon) -> None:
    kept, _ = checked(outline, frame=None)
    assert kept is outline


@pytest.mark.parametrize(
    "geometry", [Point(0, 0), Point(1000, 500), LineString([(0, 0), (5, 5)]), box(0, 0, 1000, 500)]
)
def test_what_ends_at_the_border_is_on_the_slide(geometry: BaseGeometry) -> None:
    assert checked(geometry)[0] is geometry


def test_rounding_beyond_the_border_is_no_fault() -> None:
    over = box(0, 0, 1000.004, 500)
    assert checked(over)[0] is over


@pytest.mark.parametrize(
    ("geometry", "what", "mended"),
    [
        (Polygon(), "empty geometry", None),
        (BOW_TIE, "the outline crosses itself", 50.0),
        (Polygon([(0, 0), (5, 5), (9, 9)]), "the outline crosses itself", None),
        (Point(math.nan, 1), "no finite number", None),
        (box(990, 0, 1010, 10), "lies off the slide", 100.0),
        (box(-20, -20, -10, -10), "lies off the slide", None),
        (Point(1001, 2), "lies off the slide", None),
        (box(1000, 0, 1010, 10), "lies off the slide", None),
        (MultiPolygon([box(0, 0, 5, 5), box(2, 2, 8, 8)]), "the outline crosses itself", 52.0),
    ],
    ids=["empty", "bow tie", "no area", "nan", "across", "off", "point off", "edge", "overlap"],
)
def test_a_fault_is_refused_by_name_or_mended_and_told(
    geometry: BaseGeometry, what: str, mended: float | None
) -> None:
    with pytest.raises(AnnotationError, match=f"feature 7.*{what}"):
        checked(geometry)
    kept, report = checked(geometry, repair=True)
    assert (None if kept is None else kept.area) == mended
    ((said, count),) = report.mended.items()
    assert count == 1
    assert ("left out" in said) == (mended is None)


def _holed(shell: Polygon, *holes: Polygon) -> Polygon:
    return Polygon(shell.exterior, [hole.exterior for hole in holes])


@pytest.mark.parametrize(
    ("holes", "tissue"),
    [
        ([box(500, 300, 600, 400)], box(10, 10, 110, 110)),
        (
            [box(20, 20, 30, 30), box(500, 300, 600, 400)],
            box(10, 10, 110, 110) - box(20, 20, 30, 30),
        ),
        ([box(100, 10, 200, 110)], box(10, 10, 100, 110)),
        ([box(110, 10, 200, 110)], box(10, 10, 110, 110)),
    ],
    ids=["outside", "one of two", "across", "beside"],
)
def test_a_hole_outside_of_its_outline_never_becomes_tissue(
    holes: list[Polygon], tissue: Polygon
) -> None:
    outline = _holed(box(10, 10, 110, 110), *holes)
    with pytest.raises(AnnotationError, match=r"a hole lies outside of its outline.*--repair"):
        checked(outline)
    kept, report = checked(outline, repair=True)
    assert kept is not None
    assert kept.is_valid
    assert kept.equals(tissue)
    assert report.mended == {"a hole, or a part of one, outside of its outline, left out": 1}


def test_of_several_parts_only_the_hole_outside_of_its_own_is_left_out() -> None:
    left = _holed(box(0, 0, 100, 100), box(310, 10, 320, 20), box(40, 40, 60, 60))
    kept, report = checked(MultiPolygon([left, box(300, 0, 400, 100)]), repair=True)
    assert kept is not None
    assert kept.area == 20_000 - 400
    assert len(report.mended) == 1


def test_crossing_and_a_hole_outside_are_both_told() -> None:
    outline = Polygon(BOW_TIE.exterior, [box(500, 300, 600, 400).exterior])
    kept, report = checked(outline, repair=True)
    assert kept is not None
    assert kept.area == 50
    assert len(report.mended) == 2


def test_a_hole_outside_by_rounding_is_no_fault() -> None:
    kept, report = checked(_holed(box(0, 0, 100, 100), box(90, 40, 100.01, 60)))
    assert kept is not None
    assert kept.area == pytest.approx(10_000 - 200)
    assert not report.mended


def test_coordinates_beyond_all_arithmetic_are_an_error_of_the_file() -> None:
    far = Polygon(
        [(10, 10), (1e308, 1e308), (1e308, 10), (10, 1e308)],
        [box(-1e308, 500, 600, 1e308).exterior.coords],
    )
    with pytest.raises(AnnotationError, match="feature 7"):
        checked(far)
    kept, report = checked(far, repair=True)
    assert kept is None or kept.within(box(0, 0, 1000, 500))
    assert report.mended


def test_a_fault_twice_is_told_twice() -> None:
    kept, report = checked(Polygon([(990, 0), (1010, 10), (1010, 0), (990, 10)]), repair=True)
    assert kept is not None
    assert kept.is_valid
    assert kept.bounds[2] == 1000
    assert len(report.mended) == 2


def test_points_of_which_some_are_off_keep_the_others() -> None:
    kept, _ = checked(MultiPoint([(1, 1), (2, 2), (2000, 1)]), repair=True)
    assert kept == MultiPoint([(1, 1), (2, 2)])


def test_without_a_frame_nothing_is_off_the_slide() -> None:
    far = box(1e6, 1e6, 2e6, 2e6)
    assert checked(far, frame=None)[0] is far
