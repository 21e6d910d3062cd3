"""Outlines of nuclei, their masks and their table agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, plan_slide


@pytest.fixture(scope="module")
def truth() -> SlideTruth:
    """A slide of 1800 px with all kinds of nuclei."""
    return plan_slide(SlideRecipe(width=1800, height=1500, seed=6))


@pytest.fixture(scope="module")
def instances(truth: SlideTruth) -> NDArray[Any]:
    """Its instance mask."""
    return truth.nuclei_instances(0, 0, 1800, 1500)


def test_outline_and_mask_have_one_area(truth: SlideTruth, instances: NDArray[Any]) -> None:
    counted = np.bincount(instances.ravel(), minlength=len(truth.nuclei) + 1)[1:]
    ratio = counted / truth.nuclei.area_px
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.quantile(ratio, 0.01) > 0.9
    assert ratio.max() < 1.1


def test_centroid_and_box_are_those_of_the_mask(truth: SlideTruth, instances: NDArray[Any]) -> None:
    from scipy import ndimage

    ids = truth.nuclei.instance_id
    centre = np.asarray(ndimage.center_of_mass(instances > 0, instances, ids)) + 0.5
    off = np.hypot(centre[:, 1] - truth.nuclei.x, centre[:, 0] - truth.nuclei.y)
    assert np.quantile(off, 0.95) < 0.6
    for box, found in zip(truth.nuclei.boxes, ndimage.find_objects(instances), strict=True):
        rows, columns = found
        assert (box[:2] <= (columns.start, rows.start)).all()
        assert (box[2:] >= (columns.stop, rows.stop)).all()


def test_outline_is_within_a_pixel_of_the_mask(truth: SlideTruth, instances: NDArray[Any]) -> None:
    rows = np.arange(0, len(truth.nuclei), 7)
    for row, ring in zip(rows, truth.nuclei.shapes.outlines(rows), strict=True):
        left, top, right, bottom = (int(value) for value in truth.nuclei.boxes[row])
        mask = instances[top:bottom, left:right]
        y, x = np.indices(mask.shape) + 0.5
        polygon = shapely.Polygon(ring - (left, top))
        own = mask == row + 1
        grown, shrunk = polygon.buffer(1.0), polygon.buffer(-1.0)
        assert shapely.contains_xy(grown, x[own], y[own]).all()
        missed = shapely.contains_xy(shrunk, x, y) & ~own
        # Only a touching neighbour may take ground inside the outline.
        assert (mask[missed] > 0).all()


def test_nuclei_hardly_overlap(truth: SlideTruth, instances: NDArray[Any]) -> None:
    drawn = truth.nuclei.area_px.sum()
    assert (instances > 0).sum() > 0.985 * drawn


def test_sizes_follow_their_class(truth: SlideTruth) -> None:
    area_um2 = truth.nuclei.area_px * truth.recipe.mpp**2
    median = {
        key: float(np.median(area_um2[truth.nuclei.class_index == index]))
        for index, key in enumerate(truth.nuclei.class_keys)
        if (truth.nuclei.class_index == index).any()
    }
    assert 25 < median["nucleus_lymphocyte"] < 45
    assert median["nucleus_neoplastic"] > 1.7 * median["nucleus_lymphocyte"]


def test_sizes_in_micrometres_do_not_depend_on_the_scale() -> None:
    areas = []
    for mpp, width in ((0.25, 1600), (0.5, 800)):
        truth = plan_slide(SlideRecipe(width=width, height=width, mpp=mpp, seed=1))
        lymphocytes = truth.nuclei.class_index == 2
        areas.append(float(np.median(truth.nuclei.area_px[lymphocytes])) * mpp**2)
    assert areas[0] == pytest.approx(areas[1], rel=0.1)


def test_rectangle_past_the_edge_is_empty(truth: SlideTruth) -> None:
    assert not truth.nuclei_instances(5000, 5000, 30, 20).any()
    assert not truth.nuclei_classes(-60, -60, 50, 50).any()
