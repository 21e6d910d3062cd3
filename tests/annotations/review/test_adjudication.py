"""Cases are settled in one go, by the adjudicator alone, from what each reader signed off."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely import Polygon, box

from pathoai.errors import AnnotationError, StudyError
from pathoai.study.study import Study
from pathoai_annotations.agreement.adjudication_queue import open_cases
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.settle import settle
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.sign_off import sign_off_slide
from pathoai_annotations.review.adjudication import Adjudicator, Case, Choice, cases_of, dashes
from tests.annotations.readers.read_study import draw, made_study, read, slide_ids

BOTH = box(40, 40, 140, 140)
ALONE = box(300, 60, 380, 140)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """R1 and R2 differ on the grade, on the class of one outline, and on another outline."""
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    made = made_study(tmp_path / "study", slides=1)
    (slide_id,) = slide_ids(made)
    roles = {"R1": Role.READER, "R2": Role.READER, "J1": Role.ADJUDICATOR}
    assign(made, [slide_id], roles)
    read(made, slide_id, "R1", "hsil", outlines=[("hsil", BOTH), ("lsil", ALONE)])
    read(made, slide_id, "R2", "lsil", outlines=[("lsil", box(44, 40, 140, 140))])
    return made


@pytest.fixture
def journal(study: Study) -> Iterator[Journal]:
    with Journal.open(study) as opened:
        yield opened


@pytest.fixture
def cases(study: Study) -> list[Case]:
    return cases_of(study, slide_ids(study)[0], "J1")


def outlined(cases: list[Case], *, pair: bool) -> Case:
    (found,) = [c for c in cases if not c.is_grade and (len(c.outlines) == 2) is pair]
    return found


def judge(study: Study, journal: Journal) -> Adjudicator:
    return Adjudicator(study, journal, slide_ids(study)[0], "J1")


def final(journal: Journal, one: Annotation) -> tuple[str, Status, str]:
    state = journal.get(one.id)
    return state.label, state.status, state.author


def test_both_readers_work_stands_side_by_side(cases: list[Case]) -> None:
    pair, alone = outlined(cases, pair=True), outlined(cases, pair=False)
    assert [(s.reader, s.label) for s in pair.sides] == [("R1", "hsil"), ("R2", "lsil")]
    assert pair.sides[0].outline is not None
    assert pair.sides[0].outline.geometry.equals(BOTH)
    assert [(s.reader, s.label) for s in alone.sides] == [("R1", "lsil"), ("R2", "nothing")]
    assert alone.sides[1].outline is None
    (graded,) = [c for c in cases if c.is_grade]
    assert [(s.reader, s.label) for s in graded.sides] == [("R1", "hsil"), ("R2", "lsil")]


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (Choice.FIRST, (Status.VALIDATED, Status.REJECTED)),
        (Choice.SECOND, (Status.REJECTED, Status.VALIDATED)),
        (Choice.BOTH, (Status.VALIDATED, Status.VALIDATED)),
        (Choice.NEITHER, (Status.REJECTED, Status.REJECTED)),
    ],
)
def test_a_choice_settles_both_outlines_at_once(
    study: Study, journal: Journal, cases: list[Case], choice: Choice, kept: tuple[Status, Status]
) -> None:
    pair = outlined(cases, pair=True)
    judge(study, journal).take(pair, choice, author="J1", comment="seen with p16")
    found = [journal.get(one.id) for one in pair.outlines]
    assert tuple(one.status for one in found) == kept
    assert [one.label for one in found] == ["hsil", "lsil"]
    assert {one.author for one in found} == {"J1"}
    events = [e for e in journal.events() if e.operation is Operation.ADJUDICATE]
    assert [e.comment for e in events] == ["seen with p16"] * 2
    left = open_cases(study)
    ids = {str(one.id) for one in pair.outlines}
    assert not any(ids & set(case.annotation_ids) for case in left)


def test_who_outlined_nothing_is_right_where_his_side_is_taken(
    study: Study, journal: Journal, cases: list[Case]
) -> None:
    alone = outlined(cases, pair=False)
    judge(study, journal).take(alone, Choice.SECOND, author="J1")
    assert final(journal, alone.outlines[0]) == ("lsil", Status.REJECTED, "J1")


def test_an_own_outline_takes_the_place_of_both(
    study: Study, journal: Journal, cases: list[Case]
) -> None:
    (slide_id,) = slide_ids(study)
    pair = outlined(cases, pair=True)
    own = draw(study, slide_id, "J1", [("cin3", box(40, 40, 90, 90))])
    judge(study, journal).take_own(pair, own[0], author="J1")
    assert final(journal, own[0]) == ("cin3", Status.VALIDATED, "J1")
    assert {journal.get(one.id).status for one in pair.outlines} == {Status.REJECTED}
    with pytest.raises(AnnotationError, match="no outline of your own"):
        judge(study, journal).take_own(pair, pair.outlines[0], author="J1")


def test_the_grade_of_the_slide(study: Study, journal: Journal, cases: list[Case]) -> None:
    (graded,) = [c for c in cases if c.is_grade]
    judge(study, journal).grade("hsil", comment="as R1")
    assert not any(case.region is None for case in open_cases(study))
    with pytest.raises(AnnotationError, match="this case is no outline"):
        judge(study, journal).take(graded, Choice.FIRST, author="J1")


def test_only_the_adjudicator_may_and_only_once_all_have_signed(
    study: Study, journal: Journal
) -> None:
    (slide_id,) = slide_ids(study)
    with pytest.raises(AnnotationError, match="does not settle the slide"):
        Adjudicator(study, journal, slide_id, "R1")
    assign(study, [slide_id], {"R4": Role.READER})
    with pytest.raises(StudyError, match="still to sign off: R4"):
        cases_of(study, slide_id, "J1")


def test_two_outlines_of_one_proposal_are_two_where_both_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    study = made_study(tmp_path / "study", slides=1)
    (slide_id,) = slide_ids(study)
    assign(study, [slide_id], {"R1": Role.READER, "R2": Role.READER, "J1": Role.ADJUDICATOR})
    one = deterministic_id(slide_id, "proposal")
    proposal = Annotation(one, slide_id, "hsil", BOTH, Origin.MODEL, "model")
    with Journal.open(study) as journal:
        journal.propose([proposal])
        journal.validate([one], author="R1")
    sign_off_slide(study, slide_id, reader="R1", grade="hsil")
    with Journal.open(study) as journal:
        journal.correct(one, label="lsil", author="R2")
    sign_off_slide(study, slide_id, reader="R2", grade="hsil")
    (case,) = cases_of(study, slide_id, "J1")
    assert [s.outline.label for s in case.sides if s.outline] == ["hsil", "lsil"]
    with Journal.open(study) as journal:
        Adjudicator(study, journal, slide_id, "J1").take(case, Choice.FIRST, author="J1")
        assert final(journal, proposal) == ("hsil", Status.VALIDATED, "J1")
        Adjudicator(study, journal, slide_id, "J1").take(case, Choice.BOTH, author="J1")
        found = journal.annotations(slide_id, status=[Status.VALIDATED])
    assert sorted(a.label for a in found) == ["hsil", "lsil"]
    assert {a.derived_from for a in found} == {None, f"annotation:{one}"}


def test_all_or_nothing_is_settled(study: Study, journal: Journal, cases: list[Case]) -> None:
    pair = outlined(cases, pair=True)
    before = journal.annotations()
    judged = [judged_copy(one, Status.VALIDATED) for one in pair.outlines]
    undecided = judged_copy(pair.outlines[0], Status.PROPOSED, new=True)
    with pytest.raises(AnnotationError, match="the last word on an annotation is a judgement"):
        settle(journal, [*judged, undecided], author="J1")
    journal.delete([pair.outlines[1].id], author="R2")
    with pytest.raises(AnnotationError, match="deleted"):
        settle(journal, judged, author="J1")
    assert [a.id for a in journal.annotations()] == [a.id for a in before][:-1]
    assert journal.get(pair.outlines[0].id).author == "R1"


def judged_copy(one: Annotation, status: Status, *, new: bool = False) -> Annotation:
    one_id = uuid.uuid4() if new else one.id
    return Annotation(one_id, one.slide_id, one.label, one.geometry, one.origin, "J1", status)


def test_a_broken_line_follows_the_outline_half_of_its_way() -> None:
    ring = Polygon(box(0, 0, 90, 50).exterior, [box(20, 20, 40, 40).exterior])
    found = dashes(ring, 5.0)
    assert found.shape[1:] == (2, 2)
    distance = shapely.distance(ring.boundary, shapely.linestrings(found))
    assert distance.max() < 1e-9
    lengths = np.linalg.norm(found[:, 1] - found[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(ring.boundary.length / 2, rel=0.06)
    assert len(dashes(shapely.Polygon(), 5.0)) == 0
