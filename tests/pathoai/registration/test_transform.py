"""Points, outlines and masks between two slides, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.registration.carried_plane import plane_on_moving
from pathoai.registration.transform import PlacedSlide, SlideTransform
from tests.pathoai.registration.placed_slides import FIXED, MOVING, affine, bent, field

seeds = st.integers(0, 2**32 - 1)
transforms = st.builds(
    lambda degrees, scale, mirrored, shift, seed, slope: SlideTransform(
        FIXED,
        MOVING,
        affine(degrees, scale, mirrored, shift),
        field(seed, slope) if slope > 0.01 else None,
    ),
    st.floats(-180, 180),
    st.floats(0.25, 4),
    st.booleans(),
    st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)),
    seeds,
    st.floats(0, 0.85),
)


def points(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, [2000, 1600], (40, 2))


@given(transforms, seeds)
def test_points_go_and_come_back(transform: SlideTransform, seed: int) -> None:
    start = points(seed)
    there = transform.to_moving_px(start)
    assert np.allclose(transform.to_fixed_px(there), start, atol=0.01)
    assert np.allclose(transform.to_moving_px(transform.to_fixed_px(there)), there, atol=0.04)


@given(transforms, seeds)
def test_seen_from_the_other_slide_it_is_the_same(transform: SlideTransform, seed: int) -> None:
    start, other = points(seed), transform.swapped()
    assert (other.fixed, other.moving) == (MOVING, FIXED)
    assert np.array_equal(other.to_moving_px(start), transform.to_fixed_px(start))
    assert np.array_equal(other.to_fixed_px(start), transform.to_moving_px(start))
    assert other.swapped() is transform
    assert other.bends == transform.bends


@given(st.floats(-179.9, 179.9), st.floats(0.25, 4), st.booleans())
def test_it_tells_people_what_it_does(degrees: float, scale: float, mirrored: bool) -> None:
    transform = SlideTransform(FIXED, MOVING, affine(degrees, scale, mirrored))
    assert transform.is_mirrored == mirrored
    assert transform.scale == pytest.approx(scale)
    assert transform.rotation_degrees == pytest.approx(degrees, abs=1e-6)


@settings(max_examples=25)
@given(transforms)
def test_a_raster_is_the_same_points(transform: SlideTransform) -> None:
    grid = Grid(Size(300, 200), 5.0, 4.0)
    found = transform.grid_to_moving_px(grid, slice(10, 30), slice(200, 240))
    x, y = np.meshgrid((np.arange(200, 240) + 0.5) * 5.0, (np.arange(10, 30) + 0.5) * 4.0)
    assert np.allclose(found, transform.to_moving_px(np.stack([x, y], axis=-1)))
    back = transform.swapped().grid_to_moving_px(grid, slice(0, 5), slice(0, 6))
    assert back.shape == (5, 6, 2)


@settings(max_examples=40)
@given(transforms, seeds)
def test_polygons_with_holes_go_and_come_back(transform: SlideTransform, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y, radius = generator.uniform([300, 300, 40], [1700, 1300, 250])
    ring = Point(x, y).buffer(radius) - Point(x, y).buffer(radius / 2)
    there = transform.geometry_to_moving(ring)
    assert shapely.is_valid(there)
    assert len(there.interiors) == 1
    back = transform.geometry_to_fixed(there)
    assert back.symmetric_difference(ring).area < 2e-3 * ring.area


def test_long_edges_bend_with_the_tissue() -> None:
    transform = bent(3, 0.8)
    box = shapely.box(100, 100, 1900, 1500)
    there = transform.geometry_to_moving(box)
    dense = transform.to_moving_px(shapely.get_coordinates(shapely.segmentize(box, 0.5)))
    assert shapely.distance(shapely.points(dense), there.exterior).max() < 0.5  # px of 0.25 µm
    only_affine = SlideTransform(FIXED, MOVING, affine(30))
    assert len(shapely.get_coordinates(only_affine.geometry_to_moving(box))) == 5


@settings(max_examples=40)
@given(seeds)
def test_outlines_that_touch_stay_valid(seed: int) -> None:
    squares = MultiPolygon(
        [shapely.box(x, 400, x + 200, 600) for x in (300, 700)]
        + [Polygon([(500, 600), (700, 600), (600, 900)])]
    )
    thin = Polygon([(300, 300), (1700, 300.2), (1700, 300.3), (300, 300.4)])
    for outline in (squares, thin):
        there = bent(seed, 0.8).geometry_to_moving(outline)
        assert shapely.is_valid(there)
        assert not there.is_empty


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mask_is_carried_like_its_outline(mirrored: bool) -> None:
    transform = SlideTransform(FIXED, MOVING, affine(20, 1, mirrored, (700, 100)), field(5, 0.4))
    grid = Grid.covering(FIXED.size_px, FIXED.mpp, 2.0)
    onto = Grid.covering(MOVING.size_px, MOVING.mpp, 2.0)
    centre = np.array([900.0, 800.0])
    y, x = np.mgrid[: grid.size_px.height, : grid.size_px.width]
    inside = np.hypot((x + 0.5) * 4 - centre[0], (y + 0.5) * 4 - centre[1]) < 300
    found = plane_on_moving(inside, grid, transform, onto, outside=False)
    y, x = np.mgrid[: onto.size_px.height, : onto.size_px.width]
    places = np.stack([(x + 0.5) * onto.downsample_x, (y + 0.5) * onto.downsample_y], axis=-1)
    true = np.linalg.norm(transform.to_fixed_px(places) - centre, axis=-1) < 300
    assert np.count_nonzero(found != true) < 0.03 * np.count_nonzero(true)
    back = plane_on_moving(found, onto, transform.swapped(), grid, outside=False)
    assert np.count_nonzero(back != inside) < 0.06 * np.count_nonzero(inside)


def test_a_plane_has_a_value_outside() -> None:
    transform = SlideTransform(FIXED, MOVING, affine(0, 1, False, (1e5, 0)))
    grid = Grid.covering(FIXED.size_px, FIXED.mpp, 8.0)
    plane = np.ones((grid.size_px.height, grid.size_px.width), np.uint8)
    onto = Grid.covering(MOVING.size_px, MOVING.mpp, 8.0)
    assert (plane_on_moving(plane, grid, transform, onto, outside=255) == 255).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3)),
        np.eye(3),
        np.full((2, 3), np.nan),
        affine(10, 0.01),
        affine(10, 100.0),
        np.array([[1.0, 0, 0], [0, 4.0, 0]]),
    ],
)
def test_maps_that_no_two_scans_have_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidValueError, match="affine"):
        SlideTransform(FIXED, MOVING, wrong)


def test_a_slide_has_its_frame_in_both_units() -> None:
    slide = PlacedSlide("a", Mpp(0.5, 0.51), Size(600, 800), "")
    assert slide.size_um == pytest.approx((300, 408))
    assert slide.diagonal_um == pytest.approx(np.hypot(300, 408))
    assert np.allclose(slide.to_px(slide.to_um(np.array([3.0, 7.0]))), [3, 7])
