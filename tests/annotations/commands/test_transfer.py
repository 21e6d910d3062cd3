"""``pathoai annotations transfer``: outlines and masks between the slides of a registered pair."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Point, box
from shapely.geometry.base import BaseGeometry

from pathoai.cli.main import main
from pathoai.registration.passage import passage_between
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from tests.registered_pair import HE_ID, IHC_ID, make_pair

Run = Callable[..., str]
RING = box(600, 500, 800, 650).difference(box(650, 550, 700, 600))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return make_pair(tmp_path / "study")


@pytest.fixture
def run(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run it, and give what it printed; exit codes above 0 must be announced."""

    def made(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        command = ["annotations", "transfer", str(study.path), *(str(w) for w in words)]
        assert main(command) == code
        said = capsys.readouterr()
        assert "bug" not in said.err
        return said.out + said.err

    return made


def drawn(
    geometry: BaseGeometry,
    *,
    slide_id: str = IHC_ID,
    label: str = "dcis",
    origin: Origin = Origin.PATHOLOGIST,
    author: str = "R1",
) -> Annotation:
    return Annotation(uuid.uuid4(), slide_id, label, geometry, origin, author)


def entered(study: Study, *annotations: Annotation) -> None:
    with Journal.open(study) as journal:
        journal.propose(annotations)


def on(study: Study, slide_id: str) -> list[Annotation]:
    with Journal.open(study) as journal:
        return journal.annotations(slide_id)


def elsewhere(study: Study, geometry: BaseGeometry) -> BaseGeometry:
    """An outline of the H&E slide on its twin."""
    return passage_between(study, HE_ID, IHC_ID).carried(geometry)


FORTH = ("--from", IHC_ID, "--to", HE_ID)
BACK = ("--from", HE_ID, "--to", IHC_ID)


def test_points_areas_and_holes_arrive_as_proposals_that_name_their_origin(
    study: Study, run: Run
) -> None:
    shapes = [Point(610.5, 333.25), RING, MultiPolygon([box(700, 100, 750, 150), RING])]
    originals = [drawn(elsewhere(study, shape)) for shape in shapes]
    entered(study, *originals)
    with Journal.open(study) as journal:
        journal.validate([originals[1].id], author="R2")
    said = run(*FORTH)
    assert said == f"{IHC_ID} to {HE_ID}: 3 annotations: 3 new, all proposals\n"
    found = {a.derived_from: a for a in on(study, HE_ID)}
    assert set(found) == {f"annotation:{a.id}" for a in originals}
    for original, shape in zip(originals, shapes, strict=True):
        copy = found[f"annotation:{original.id}"]
        assert (copy.status, copy.origin) == (Status.PROPOSED, Origin.IMPORT)
        assert copy.label == "dcis"
        assert copy.geometry.geom_type == shape.geom_type
        assert shapely.hausdorff_distance(copy.geometry, shape) * 0.5 < 0.3, "µm"
    assert found[f"annotation:{originals[1].id}"].author == "R2", "who stood behind it"
    (record,) = study.provenance_path.glob("annotations-transfer-*.json")
    assert json.loads(record.read_text("utf8"))["parameters"]["new"] == 3


def test_twice_is_once_and_nothing_comes_back(study: Study, run: Run) -> None:
    entered(study, drawn(RING, slide_id=HE_ID))
    assert "1 new" in run(*BACK)
    assert "0 new, all proposals, 1 there already" in run(*BACK)
    assert "0 new, all proposals, 1 that came from there" in run(*FORTH)
    assert len(on(study, HE_ID)) == len(on(study, IHC_ID)) == 1
    (copy,) = on(study, IHC_ID)
    with Journal.open(study) as journal:
        journal.delete([copy.id], author="R1")
    assert "1 there already" in run(*BACK), "what a reader deleted stays deleted"
    assert on(study, IHC_ID) == []


def test_a_changed_original_replaces_its_copy_unless_that_was_judged(
    study: Study, run: Run
) -> None:
    one, two = drawn(RING, slide_id=HE_ID), drawn(box(600, 100, 650, 150), slide_id=HE_ID)
    entered(study, one, two)
    run(*BACK)
    copies = {a.derived_from: a for a in on(study, IHC_ID)}
    with Journal.open(study) as journal:
        journal.validate([copies[f"annotation:{two.id}"].id], author="R2")
        for original in (one, two):
            moved = shapely.transform(original.geometry, lambda points: points + 8)
            journal.correct(original.id, geometry=moved, author="R1")
    said = run(*BACK)
    assert "1 new, all proposals, 1 older copies replaced, 1 whose older copy was judged" in said
    after = {a.derived_from: a for a in on(study, IHC_ID)}
    assert after[f"annotation:{two.id}"].status is Status.VALIDATED
    assert after[f"annotation:{one.id}"].geometry != copies[f"annotation:{one.id}"].geometry
    assert len(after) == 2


def test_what_lies_where_the_alignment_is_refused_is_listed(study: Study, run: Run) -> None:
    refused = drawn(box(310, 210, 320, 220), slide_id=HE_ID)
    touching = drawn(box(250, 150, 320, 250), slide_id=HE_ID)
    around = drawn(box(250, 150, 450, 350), slide_id=HE_ID)
    glass = drawn(Point(20, 20), slide_id=HE_ID)
    entered(study, refused, touching, around, glass)
    said = run(*BACK)
    assert "4 annotations: 1 new, all proposals, 3 refused" in said
    for one in (refused, touching):
        assert f"  refused {one.id}: it lies where the alignment is refused\n" in said
    assert f"  refused {glass.id}: it lies where there is no tissue to align\n" in said
    (copy,) = on(study, IHC_ID)
    assert copy.derived_from == f"annotation:{around.id}", "a fold within an area does not matter"


def test_neighbouring_sections_share_areas_and_no_cells(study: Study, run: Run) -> None:
    path = study.registration_path(HE_ID, IHC_ID)
    found = Registration.load(path)
    refused = np.full_like(found.quality.state, TileState.REFUSED)
    quality = replace(found.quality, state=refused)
    replace(found, quality=quality, about={"settings": {"neighbouring": True}}).save(path)
    area = drawn(box(250, 150, 480, 350), slide_id=HE_ID)  # 0.0115 mm²
    cell, point = drawn(box(300, 200, 320, 220), slide_id=HE_ID), drawn(Point(400, 300))
    entered(study, area, cell, replace(point, slide_id=HE_ID))
    said = run(*BACK)
    assert "3 annotations: 1 new, all proposals, 2 refused" in said
    assert said.count("share areas of 0.01 mm² or more, and no cells") == 2
    (copy,) = on(study, IHC_ID)
    assert copy.derived_from == f"annotation:{area.id}"
    (record,) = study.provenance_path.glob("annotations*transfer-*.json")
    assert json.loads(record.read_text("utf8"))["parameters"]["neighbouring"] is True


def test_beyond_the_other_slide_nothing_is_carried(study: Study, run: Run) -> None:
    path = study.registration_path(HE_ID, IHC_ID)
    found = Registration.load(path)
    shifted = found.transform.affine + np.array([[0, 0, 300.0], [0, 0, 0]])
    replace(found, transform=replace(found.transform, affine=shifted)).save(path)
    entered(study, drawn(box(600, 20, 640, 60), slide_id=HE_ID))
    said = run(*BACK, code=1)
    assert "none of the annotations can be carried; found it reaches beyond the other slide" in said
    assert on(study, IHC_ID) == []


def test_a_models_word_stays_a_models_word(study: Study, run: Run) -> None:
    proposal = drawn(RING, slide_id=HE_ID, origin=Origin.MODEL, author="unet")
    entered(
        study, replace(proposal, confidence=0.7), drawn(box(600, 100, 640, 140), slide_id=HE_ID)
    )
    run(*BACK, "--by", "unet")
    (copy,) = on(study, IHC_ID)
    assert (copy.origin, copy.author, copy.confidence) == (Origin.MODEL, "unet", 0.7)


def test_rejected_ones_stay_unless_they_are_asked_for(study: Study, run: Run) -> None:
    one = drawn(RING, slide_id=HE_ID)
    entered(study, one)
    with Journal.open(study) as journal:
        journal.reject([one.id], author="R1")
    assert "no annotation to carry" in run(*BACK, code=1)
    assert "1 new" in run(*BACK, "--status", "rejected")


def test_a_label_is_carried(study: Study, run: Run) -> None:
    from tests.pathoai.registration.test_transfer_label import write_label

    write_label(SlideStore(study.store_path(HE_ID)), "prediction/squares", 2)
    said = run(*BACK, "--label", "prediction/squares")
    assert f"{HE_ID} to {IHC_ID}: label transfer/prediction.squares" in said
    assert "transfer/prediction.squares" in SlideStore(study.store_path(IHC_ID)).labels


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([*BACK[:2], "--to", HE_ID], "the slides are no pair"),
        ([*BACK[:2], "--to", "0" * 16], "no such slide"),
        ([*BACK, "--label", "prediction/absent"], "no such label"),
        ([*BACK, "--label", "tissue", "--by", "R1"], "a label has no status"),
        ([*BACK, "--status", "sure"], "unknown status"),
    ],
)
def test_a_misuse_is_one_clear_line(
    study: Study, run: Run, words: list[str], expected: str
) -> None:
    entered(study, drawn(RING, slide_id=HE_ID))
    assert expected in run(*words, code=1)
    assert on(study, IHC_ID) == []


def test_an_unregistered_pair_is_told_how_to_become_one(study: Study, run: Run) -> None:
    study.registration_path(HE_ID, IHC_ID).unlink()
    entered(study, drawn(RING, slide_id=HE_ID))
    assert "run `pathoai register STUDY`" in run(*BACK, code=1)
