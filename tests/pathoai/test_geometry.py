"""Scale and position: impossible ones refused, every conversion reversible."""

from __future__ import annotations

import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import affine_transform

from pathoai.errors import ImplausibleMppError, InvalidValueError, PathoaiError
from pathoai.geometry import Grid, Mpp, Region, Size

_mpp = st.floats(0.05, 20)
_size = st.builds(Size, st.integers(1, 300_000), st.integers(1, 300_000))


@pytest.mark.parametrize("value", [0, -1, 0.0499, 20.1, math.nan, math.inf])
def test_impossible_scales_are_refused(value: float) -> None:
    for x, y in ((value, 0.25), (0.25, value), (value, value)):
        with pytest.raises(ImplausibleMppError, match="--mpp"):
            Mpp(x, y)


@given(_mpp, st.floats(0.96, 1.04))
def test_mean_and_area_agree(x: float, ratio: float) -> None:
    y = min(20.0, max(0.05, x * ratio))
    mpp = Mpp(x, y)
    assert mpp.mean**2 == pytest.approx(mpp.pixel_area_um2)
    assert min(x, y) * (1 - 1e-9) <= mpp.mean <= max(x, y) * (1 + 1e-9)


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (-3, 5)])
def test_empty_rasters_are_refused(width: int, height: int) -> None:
    with pytest.raises(InvalidValueError):
        Size(width, height)


@given(_size, st.floats(0.1, 500))
def test_a_coarser_raster_covers_the_finer_one(size: Size, downsample: float) -> None:
    coarse = size.scaled_down(downsample)
    for fine_px, coarse_px in ((size.width, coarse.width), (size.height, coarse.height)):
        assert coarse_px * downsample >= fine_px - downsample * 2e-6
        assert coarse_px == 1 or (coarse_px - 1) * downsample < fine_px


def test_rounding_adds_no_pixel() -> None:
    assert Size(2048, 2048).scaled_down(0.5 / 0.25000000001) == Size(1024, 1024)
    assert Size(2049, 2047).scaled_down(2) == Size(1025, 1024)


@pytest.mark.parametrize(
    "values", [(0, 0, 0, 1), (0, 0, 1, -1), (math.nan, 0, 1, 1), (0, math.inf, 1, 1)]
)
def test_empty_and_unbounded_regions_are_refused(
    values: tuple[float, float, float, float],
) -> None:
    with pytest.raises(InvalidValueError):
        Region(*values)


_side = st.integers(1, 50)
_place = st.integers(-60, 60)
_regions = st.builds(Region, _place, _place, _side, _side)


@given(_regions, _regions)
def test_regions_intersect_as_boxes_do(one: Region, other: Region) -> None:
    boxes = [shapely.box(r.x, r.y, r.right, r.bottom) for r in (one, other)]
    assert one.intersects(other) == (boxes[0].intersection(boxes[1]).area > 0)
    assert one.intersects(other) == other.intersects(one)


@given(_regions, st.integers(0, 9))
def test_a_grown_region_shrinks_back(region: Region, margin: int) -> None:
    grown = region.expanded(margin)
    assert grown.expanded(-margin) == region
    assert (grown.right, grown.bottom) == (region.right + margin, region.bottom + margin)


@given(_size, _mpp, _mpp, st.floats(0.97, 1.03))
def test_positions_go_to_level_0_and_back(
    size: Size, slide_mpp: float, mpp: float, ratio: float
) -> None:
    slide = Mpp(slide_mpp, min(20.0, max(0.05, slide_mpp * ratio)))
    grid = Grid.covering(size, slide, mpp)
    point = shapely.Point(123.25, 77.5)
    there = affine_transform(point, grid.affine_to_level_0())
    back = affine_transform(there, grid.affine_from_level_0())
    assert back.x == pytest.approx(point.x)
    assert back.y == pytest.approx(point.y)
    region = grid.region(123.25, 77.5, 10, 20)
    assert (region.x, region.y) == (there.x, there.y)
    # In micrometres both frames say the same.
    assert region.width * slide.x == pytest.approx(10 * mpp)
    assert region.height * slide.y == pytest.approx(20 * mpp)


@given(_size, st.sampled_from([2, 4, 8, 16, 32]))
def test_halving_again_and_again_gives_the_same_grid(size: Size, factor: int) -> None:
    grid = Grid(size, 1.0, 1.0)
    stepwise = grid
    for _ in range(factor.bit_length() - 1):
        stepwise = stepwise.coarser(2)
    assert stepwise == grid.coarser(factor)


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    error = PathoaiError("what", where="a\nb", found="c\n\n  d", allowed=5, remedy="do\tthis")
    assert str(error) == "a b: what; found c d; allowed: 5. Remedy: do this"
    assert (error.found, error.allowed) == ("c\n\n  d", 5)
