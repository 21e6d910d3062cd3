"""Where a file's coordinates lie on the slide: scale, corner, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, box

from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp, Region, Size
from pathoai_annotations.slide_frame import Corner, Placement, SlideFrame, placement

FRAME = SlideFrame(Size(40_000, 30_000), Mpp(0.25, 0.26), Region(1000, 2000, 30_000, 20_000))


def test_level_0_of_the_canvas_is_left_as_it_is() -> None:
    one = box(1 / 3, 1e-9, 9, 9)
    assert placement(None).is_identity
    assert placement(None).to_level_0(one) is one
    assert placement(FRAME).from_level_0(one) is one


def test_the_scanned_part_s_corner_is_added() -> None:
    assert placement(FRAME, Corner.BOUNDS).to_level_0(Point(5, 6)) == Point(1005, 2006)


def test_another_scale_is_that_of_each_axis() -> None:
    scaled = placement(FRAME, mpp=0.5).to_level_0(Point(100, 130))
    assert (scaled.x, scaled.y) == pytest.approx((200, 250))
    both = placement(FRAME, Corner.BOUNDS, 0.5).to_level_0(Point(100, 130))
    assert (both.x, both.y) == pytest.approx((1200, 2250))


coordinates = st.floats(-1e6, 1e6)
scales = st.floats(0.01, 100)


pairs = st.tuples(coordinates, coordinates)


@given(pairs, st.tuples(scales, scales), pairs)
def test_there_and_back_is_where_it_was(
    point: tuple[float, float], scale: tuple[float, float], shift: tuple[float, float]
) -> None:
    place = Placement(scale, shift)
    back = place.from_level_0(place.to_level_0(Point(point)))
    assert (back.x, back.y) == pytest.approx(point, abs=1e-3 / min(*scale, 1))


@pytest.mark.parametrize(("corner", "mpp"), [(Corner.BOUNDS, None), (Corner.CANVAS, 0.5)])
def test_a_slide_that_was_not_tiled_cannot_tell(corner: Corner, mpp: float | None) -> None:
    with pytest.raises(AnnotationError, match=r"size and scale are not known.*pathoai tile"):
        placement(None, corner, mpp)


def test_a_slide_that_states_no_scanned_part_is_refused() -> None:
    bare = SlideFrame(FRAME.size, FRAME.mpp)
    with pytest.raises(AnnotationError, match=r"states no scanned part.*leave --origin out"):
        placement(bare, Corner.BOUNDS)
    assert bare.scan_origin == (0.0, 0.0)
    assert bare.part(Corner.CANVAS) == Region(0, 0, 40_000, 30_000)
