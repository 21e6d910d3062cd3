"""One click on a nucleus of a generated slide, and what more clicks do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import Point
from shapely.geometry.base import BaseGeometry

from pathoai.entry_points import names_in
from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.geometry import Grid, Size
from pathoai.testing.generated_slide import (
    SlideRecipe,
    SlideTruth,
    paint_region,
    plan_slide,
)
from pathoai.vector.rasterise import rasterise
from pathoai_annotations.drawing.block import Block
from pathoai_annotations.drawing.click_outline import (
    GROUP,
    LARGEST_WINDOW_PX,
    Clicks,
    Picture,
    outline_method,
    outline_of_clicks,
)

RECIPE = SlideRecipe(width=1400, height=1400, mpp=0.25, seed=5, organ="breast")


@cache
def slide() -> tuple[SlideTruth, NDArray[np.uint8]]:
    truth = plan_slide(RECIPE)
    return truth, paint_region(truth, 0, 0, RECIPE.width, RECIPE.height)


def picture(*, with_model: bool = False) -> Picture:
    """The slide in blocks of level-0 pixels, and a model that is right but blurred."""
    truth, whole = slide()

    def cut(block: Block) -> tuple[slice, slice]:
        x, y = round(block.x), round(block.y)
        return slice(y, y + block.size_px.height), slice(x, x + block.size_px.width)

    def probability(block: Block) -> NDArray[np.float32]:
        rows, columns = cut(block)
        size = block.size_px
        return (
            truth.nuclei_instances(columns.start, rows.start, size.width, size.height) > 0
        ).astype(np.float32)

    return Picture(lambda block: whole[cut(block)], probability if with_model else lambda _: None)


def nuclei(count: int) -> list[int]:
    """Rows of nuclei far enough from the border, spread over the slide."""
    table = slide()[0].nuclei
    inside = (np.abs(table.x - 700) < 550) & (np.abs(table.y - 700) < 550)
    rows = np.flatnonzero(inside)
    return [int(row) for row in rows[:: max(1, len(rows) // count)][:count]]


def dice(outline: BaseGeometry, row: int) -> float:
    truth, _ = slide()
    table = truth.nuclei
    left, top = int(table.x[row]) - 150, int(table.y[row]) - 150
    grid = Grid(Size(300, 300), 1.0, 1.0)
    found = rasterise([(outline, 1)], grid, origin_px=(left, top), size_px=grid.size_px) > 0
    own = truth.nuclei_instances(left, top, 300, 300) == table.instance_id[row]
    return float(2 * (found & own).sum() / (found.sum() + own.sum()))


def centre(row: int) -> tuple[float, float]:
    table = slide()[0].nuclei
    return float(table.x[row]), float(table.y[row])


@pytest.mark.parametrize("with_model", [False, True])
def test_one_click_outlines_a_nucleus(*, with_model: bool) -> None:
    method = outline_method()
    shown = picture(with_model=with_model)
    scores = [
        dice(outline_of_clicks(Clicks((centre(row),)), (1, 1), shown, method), row)
        for row in nuclei(40)
    ]
    assert np.median(scores) >= 0.85


def test_clicks_beside_the_object_take_back_what_leaked() -> None:
    method = outline_method()
    rows, columns = np.ogrid[:128, :128]
    one = np.hypot(rows - 64, columns - 52) <= 16
    other = np.hypot(rows - 64, columns - 76) <= 16
    both = np.where((one | other)[..., None], [100, 60, 140], [230, 200, 215]).astype(np.uint8)
    shown = Picture(lambda _block: both, lambda _block: None)
    clicks = Clicks(((52.5, 64.5),)).with_click((84.5, 64.5), in_object=False)
    block = Block.about((52.5, 64.5), (1, 1), 128)
    assert block.in_pixels(52.5, 64.5) == (64.5, 64.5)
    # The block is laid about the click: the picture is the same wherever it lies.
    moved = Clicks(((64.5, 64.5),), ((96.5, 64.5),))
    assert clicks.background == ((84.5, 64.5),)
    shifted = Picture(lambda _block: np.roll(both, 12, axis=1), shown.probability)
    outline = outline_of_clicks(moved, (1, 1), shifted, method)
    assert outline.contains(Point(64.5, 64.5))
    assert not outline.contains(Point(96.5, 64.5))
    assert outline.area < 1.4 * one.sum()


def test_an_object_larger_than_the_first_window_is_whole() -> None:
    side = LARGEST_WINDOW_PX
    asked: list[int] = []

    def pixels(block: Block) -> NDArray[np.uint8]:
        asked.append(block.size_px.width)
        rows, columns = np.ogrid[: block.size_px.height, : block.size_px.width]
        from_centre = np.hypot(rows + block.y - 300, columns + block.x - 300)
        return np.where(from_centre[..., None] <= 90, [100, 60, 140], [230, 200, 215]).astype(
            np.uint8
        )

    shown = Picture(pixels, lambda _block: None)
    outline = outline_of_clicks(Clicks(((310.0, 290.0),)), (1, 1), shown, outline_method())
    assert outline.area == pytest.approx(np.pi * 90**2, rel=0.04)
    assert asked == sorted(set(asked))
    assert max(asked) <= side


def test_nothing_there_and_clicks_too_far_apart_are_said() -> None:
    shown = picture()

    def blind(
        pixels: NDArray[np.uint8],
        probability: NDArray[np.float32] | None,
        foreground: NDArray[np.float64],
        background: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        return np.zeros(pixels.shape[:2], np.bool_)

    with pytest.raises(AnnotationError, match="nothing to outline"):
        outline_of_clicks(Clicks(((700.0, 700.0),)), (1, 1), shown, blind)
    far = Clicks(((100.0, 100.0), (900.0, 100.0)))
    with pytest.raises(AnnotationError, match="too far apart"):
        outline_of_clicks(far, (1, 1), shown, outline_method())


def test_methods_are_registered_and_unknown_ones_refused() -> None:
    assert "random-walker" in names_in(GROUP)
    with pytest.raises(InvalidValueError, match="random-walker"):
        outline_method("random-talker")
