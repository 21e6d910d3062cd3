"""The way between the slides of a pair: the same in both directions, and only while it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.errors import AlignmentError, MissingFileError, StudyError
from pathoai.registration.passage import Passage, passage_between
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.registered_pair import HE_ID, IHC_ID, make_pair

OTHER_ID = "AAAA56789ABCDEF0"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_pair(tmp_path_factory.mktemp("pair") / "study")


@pytest.fixture(scope="module")
def forth(pair: Study) -> Passage:
    return passage_between(pair, HE_ID, IHC_ID)


@pytest.fixture(scope="module")
def back(pair: Study) -> Passage:
    return passage_between(pair, IHC_ID, HE_ID)


POINTS = np.random.default_rng(1).uniform((0, 0), (1200, 900), (50, 2))


def test_there_and_back_is_where_one_was(forth: Passage, back: Passage) -> None:
    there = forth.to_far_px(POINTS)
    assert np.abs(there - POINTS).max() > 100, "the twin lies elsewhere"
    for found in (forth.to_near_px(there), back.to_far_px(there)):
        assert np.abs(found - POINTS).max() * 0.5 < 0.01
    assert np.abs(back.to_near_px(POINTS) - there).max() < 1e-9


def test_what_is_known_of_a_place_is_the_same_from_both_slides(
    forth: Passage, back: Passage
) -> None:
    places = np.array([(10.0, 10.0), (350.0, 250.0), (600.0, 600.0), (-50.0, 20.0), (5e4, 1.0)])
    expected = [0, TileState.REFUSED, TileState.BELIEVABLE, 0, 0]
    assert forth.state_at(places).tolist() == expected
    assert back.state_at(forth.to_far_px(places)).tolist() == expected
    assert forth.state_at(places[1]).shape == ()


def test_an_outline_bends_with_the_tissue_and_keeps_its_hole(forth: Passage) -> None:
    outline = shapely.box(200, 200, 900, 700).difference(shapely.box(400, 300, 500, 400))
    moved = forth.carried(outline)
    assert moved.geom_type == "Polygon"
    assert len(moved.interiors) == 1
    assert len(moved.exterior.coords) > 8, "long sides got points to bend at"
    side = np.column_stack([np.linspace(200, 900, 60), np.full(60, 200.0)])
    there = shapely.points(forth.to_far_px(side))
    assert shapely.distance(moved.exterior, there).max() * 0.4 < 0.1, "µm"
    again = passage_of(forth).carried(moved)
    assert again.symmetric_difference(outline).area / outline.area < 1e-3


def passage_of(forth: Passage) -> Passage:
    """The way back, made by hand."""
    return replace(forth, transform=forth.transform.swapped(), is_from_he=not forth.is_from_he)


def test_the_affine_map_about_a_place_is_the_way_back_there(forth: Passage) -> None:
    here = np.array([300.0, 200.0])
    affine = forth.local_affine_um((300.0, 200.0))
    around = here + np.array([(0.0, 0.0), (20.0, 0.0), (0.0, -20.0)])
    there = forth.transform.to_moving(around)
    missed = np.linalg.norm(there @ affine[:, :2].T + affine[:, 2] - around, axis=1)
    assert missed[0] < 1e-6
    assert missed.max() < 0.5


def test_slides_that_are_no_registered_pair_are_refused(tmp_path: Path) -> None:
    study = make_pair(tmp_path / "study")
    rows = [*study.cohort, CohortRow(OTHER_ID, stain="IHC", marker="MKI67", pair="p1")]
    Cohort(rows).write(study.path / "cohort.csv")
    with pytest.raises(StudyError, match=r"no pair.*between two restained"):
        passage_between(study, IHC_ID, OTHER_ID)
    with pytest.raises(MissingFileError, match=r"not registered.*pathoai register"):
        passage_between(study, HE_ID, OTHER_ID)


def test_a_registration_of_other_pixels_is_refused(tmp_path: Path) -> None:
    study = make_pair(tmp_path / "study")
    path = study.registration_path(HE_ID, IHC_ID)
    found = Registration.load(path)
    moving = replace(found.transform.moving, identity="ab" * 32)
    replace(found, transform=replace(found.transform, moving=moving)).save(path)
    with pytest.raises(AlignmentError, match=f"store {IHC_ID} was made again"):
        passage_between(study, HE_ID, IHC_ID)
