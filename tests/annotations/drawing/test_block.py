"""From painted pixels of the screen to outlines on the slide."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from numpy.typing import NDArray
from scipy import ndimage
from shapely import Point, box

from pathoai.errors import InvalidValueError
from pathoai.geometry import Size
from pathoai_annotations.drawing.block import Block, exact_outline, on_slide, painted_outline
from pathoai_annotations.drawing.brush_stroke import Intent, intent_of
from tests.annotations.drawing.painted_masks import BLOCK, any_mask, raster, strokes

FEW = settings(max_examples=60, deadline=None)


@FEW
@given(any_mask)
def test_an_outline_holds_just_the_painted_pixels(mask: NDArray[np.bool_]) -> None:
    outline = exact_outline(mask, BLOCK)
    if outline is None:
        assert not mask.any()
        return
    assert outline.area == pytest.approx(mask.sum() * BLOCK.pixel_area)
    back = shapely.affinity.affine_transform(
        outline, (1 / BLOCK.pixel_x, 0, 0, 1 / BLOCK.pixel_y, *BLOCK.in_pixels(0, 0))
    )
    assert np.array_equal(raster(back), mask)


@FEW
@given(any_mask)
def test_a_smooth_outline_is_sound_and_within_a_pixel(mask: NDArray[np.bool_]) -> None:
    assume(mask.any())
    exact, smooth = exact_outline(mask, BLOCK), painted_outline(mask, BLOCK)
    assert exact is not None
    assert smooth is not None
    assert smooth.is_valid
    assert smooth.boundary.hausdorff_distance(exact.boundary) < BLOCK.pixel_x


@FEW
@given(strokes())
def test_a_smooth_outline_holds_the_inner_pixels_and_no_far_ones(mask: NDArray[np.bool_]) -> None:
    held = raster(painted_outline(mask, Block(0, 0, 1, 1, BLOCK.size_px)))
    assert not (ndimage.binary_erosion(mask, border_value=0) & ~held).any()
    assert not (held & ~ndimage.binary_dilation(mask)).any()


def test_a_round_stroke_has_few_vertices_and_its_area() -> None:
    rows, columns = np.ogrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 100) <= 80
    outline = painted_outline(disc, Block(10_000, 20_000, 8, 8, Size(200, 200)))
    assert outline is not None
    assert outline.area == pytest.approx(disc.sum() * 64, rel=0.005)
    assert shapely.get_num_coordinates(outline) < 120
    assert outline.centroid.distance(Point(10_000 + 100.5 * 8, 20_000 + 100.5 * 8)) < 1


def test_a_place_lies_in_the_middle_pixel_of_the_block_about_it() -> None:
    block = Block.about((1000.25, 50.5), (2.0, 2.5), 65)
    assert block.in_pixels(1000.25, 50.5) == pytest.approx((32.5, 32.5))
    assert block.region.width == 130
    assert block.region.height == 162.5


def test_pixels_need_a_size() -> None:
    with pytest.raises(InvalidValueError, match="above 0"):
        Block(0, 0, 0, 1, Size(4, 4))


def test_what_is_painted_beside_the_slide_is_left_out() -> None:
    inside = on_slide(box(-10, 5, 20, 15), Size(100, 100))
    assert inside is not None
    assert inside.equals(box(0, 5, 20, 15))
    assert on_slide(box(-10, 5, -1, 15), Size(100, 100)) is None


SELECTED = box(0, 0, 10, 10)


@pytest.mark.parametrize(
    ("begins", "selected", "keys", "intent"),
    [
        ((5, 5), SELECTED, {}, Intent.ADD),
        ((50, 5), SELECTED, {}, Intent.NEW),
        ((50, 5), SELECTED, {"shift": True}, Intent.ADD),
        ((5, 5), SELECTED, {"alt": True}, Intent.SUBTRACT),
        ((50, 5), SELECTED, {"alt": True, "shift": True}, Intent.SUBTRACT),
        ((5, 5), None, {}, Intent.NEW),
        ((5, 5), None, {"shift": True}, Intent.NEW),
        ((5, 5), None, {"alt": True}, Intent.SUBTRACT),
        ((5, 5), Point(5, 5), {}, Intent.NEW),
    ],
)
def test_where_a_stroke_begins_and_its_keys_say_what_it_is_for(
    begins: tuple[float, float],
    selected: shapely.Geometry | None,
    keys: dict[str, bool],
    intent: Intent,
) -> None:
    assert intent_of(begins, selected, **keys) is intent
