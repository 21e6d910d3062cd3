"""What a model found, region by region: nothing twice, nothing left out."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from pathoai.errors import StoreError
from pathoai.geometry import Region
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.review.model_proposals import ModelProposals, holds_centre
from tests.annotations.review.queue.queue_study import (
    AREA_MODEL,
    MODEL,
    SLIDE,
    predict_compartments,
    squares,
)


def test_each_object_belongs_to_the_region_that_holds_its_centre(
    study: Study, store: SlideStore, journal: Journal
) -> None:
    work = ModelProposals(study, store, MODEL)
    # Moved, so that borders run through lesions.
    regions = [Region(s.x - 130, s.y - 150, s.width, s.height) for s in squares()]
    regions += [Region(2270, y - 150, 400, 400) for y in range(0, 2000, 400)]
    regions += [Region(x - 130, 1450, 400, 400) for x in range(0, 2400, 400)]
    found = [work.in_region(region) for region in regions]
    for region, proposals in zip(regions, found, strict=True):
        assert all(holds_centre(region, one.geometry) for one in proposals)
    everything = [one for proposals in found for one in proposals]
    table = read_objects(study.objects_path(SLIDE, f"prediction/{MODEL}"))
    assert len(everything) == len(table) == 48
    assert {a.geometry.wkb for a in everything} == {shapely.to_wkb(g) for g in table.geometry}
    first = everything[0]
    assert (first.origin, first.status, first.author) == (Origin.MODEL, Status.PROPOSED, MODEL)
    assert first.derived_from == f"model:{MODEL}@{'ab' * 32}"
    assert first.confidence == pytest.approx(180 / 255, abs=0.01)
    assert journal.propose(everything) == 48
    assert journal.propose(work.in_region(regions[0])) == 0, "the same object has the same id"


def test_what_is_larger_than_a_region_is_cut_at_its_border(study: Study, store: SlideStore) -> None:
    predict_compartments(study, SLIDE)
    work = ModelProposals(study, SlideStore(store.path), AREA_MODEL)
    (whole,) = read_objects(study.objects_path(SLIDE, f"prediction/{AREA_MODEL}")).geometry
    parts = []
    for square in squares():
        border = shapely.box(square.x, square.y, square.right, square.bottom)
        found = work.in_region(square)
        together = shapely.union_all([one.geometry for one in found])
        assert together.symmetric_difference(whole & border).area == pytest.approx(0, abs=1e-6)
        assert all(one.geometry.covered_by(border) and one.label == "stroma" for one in found)
        assert all(one.confidence == pytest.approx(230 / 255, abs=1e-3) for one in found)
        parts += found
    assert sum(one.geometry.area for one in parts) == pytest.approx(whole.area)
    assert len({one.id for one in parts}) == len(parts)
    again = [one for square in squares() for one in work.in_region(square)]
    assert [one.id for one in again] == [one.id for one in parts]


def test_a_border_within_pixels_and_beyond_the_slide_is_exact(
    study: Study, store: SlideStore
) -> None:
    predict_compartments(study, SLIDE)
    work = ModelProposals(study, SlideStore(store.path), AREA_MODEL)
    (whole,) = read_objects(study.objects_path(SLIDE, f"prediction/{AREA_MODEL}")).geometry
    region = Region(-50.5, -20.25, 400.75, 300.5)
    border = shapely.box(region.x, region.y, region.right, region.bottom)
    (one,) = work.in_region(region)
    assert one.geometry.symmetric_difference(whole & border).area == pytest.approx(0, abs=1e-6)


def test_a_slide_without_objects_says_what_to_run(study: Study, store: SlideStore) -> None:
    with pytest.raises(StoreError, match="pathoai predict"):
        ModelProposals(study, store, "another").in_region(Region(0, 0, 10, 10))


def test_an_outline_belongs_to_one_of_neighbours() -> None:
    left, right = Region(0, 0, 10, 10), Region(10, 0, 10, 10)
    on_the_border = shapely.box(8, 2, 12, 4)
    assert [holds_centre(region, on_the_border) for region in (left, right)] == [False, True]
    assert not np.any([holds_centre(Region(0, 5, 20, 10), on_the_border)])
