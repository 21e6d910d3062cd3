"""The worklist: whose slides, how far, and why this one first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import AnnotationError
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.reading_room import make_room
from pathoai_annotations.readers.sign_off import sign_off_slide
from pathoai_annotations.review.model_proposals import ModelProposals
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.region_review import RegionReview
from pathoai_annotations.review.slide_concern import Concern, why_read
from pathoai_annotations.review.worklist import SlideState, worklist
from tests.annotations.review.queue.queue_study import (
    MODEL,
    OTHER_SLIDE,
    SETTINGS,
    SLIDE,
    make_queue_study,
    squares,
)

PLAN = ReadingPlan(SETTINGS)


def test_what_a_model_doubts_comes_first(study: Study) -> None:
    found = worklist(study, "R1", PLAN)
    assert {one.state for one in found} == {SlideState.UNREAD}
    assert [one.why.concern for one in found] == [Concern.REGION] * 2
    assert found[0].why.value > found[1].why.value > 0
    assert (found[0].why.model, found[0].role) == (MODEL, Role.NONE)
    assert not study.has_journal, "looking leaves no trace"


def test_ones_own_slides_come_first_then_unread_begun_signed(study: Study) -> None:
    first, second = (one.slide_id for one in worklist(study, "R1", PLAN))
    assign(study, [second], {"R1": Role.READER})
    assert [one.slide_id for one in worklist(study, "R1", PLAN)] == [second, first]
    assign(study, [first], {"R1": Role.READER})
    assert [one.slide_id for one in worklist(study, "R1", PLAN)] == [first, second]
    read(study, first, 3)
    found = worklist(study, "R1", PLAN)
    assert [(one.slide_id, one.state) for one in found] == [
        (second, SlideState.UNREAD),
        (first, SlideState.BEGUN),
    ]
    assert (found[1].decided, found[1].regions, found[1].unsure) == (2, 20, 1)
    sign_off_slide(study, first, reader="R1")
    assert [one.state for one in worklist(study, "R1", PLAN)] == ["unread", "signed"]
    with Journal.open(study) as journal:
        journal.reopen(first, author="R1")
    (reopened, _) = worklist(study, "R1", PLAN)
    assert (reopened.slide_id, reopened.state) == (first, SlideState.REOPENED)
    assert [one.state for one in worklist(study, "R2", PLAN)] == ["unread", "unread"]


def read(study: Study, slide_id: str, count: int, reader: str = "R1") -> None:
    """Decide some regions, the last of them unsure."""
    store = SlideStore(study.store_path(slide_id))
    with Journal.open(study) as journal:
        queue = PLAN.queue(study, store, reader)
        proposals = ModelProposals(study, store, MODEL)
        regions = RegionReview(journal, queue, reader, proposals=proposals)
        for _ in range(count - 1):
            regions.enter()
            regions.accept()
            regions.next()
        regions.unsure()


def test_who_only_drew_has_begun(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    (one, *_) = ModelProposals(study, store, MODEL).in_region(squares()[0])
    with Journal.open(study) as journal:
        journal.propose([one])
    assert {one.state for one in worklist(study, "R1", PLAN)} == {SlideState.UNREAD}
    with Journal.open(study) as journal:
        journal.validate([one.id], author="R1")
    state = {one.slide_id: one.state for one in worklist(study, "R1", PLAN)}
    assert state == {SLIDE: SlideState.BEGUN, OTHER_SLIDE: SlideState.UNREAD}


def test_a_slide_that_is_not_tiled_cannot_be_opened(study: Study) -> None:
    rows = [*study.cohort, CohortRow("00000000AAAAAAAA")]
    Cohort(rows).write(study.path / "cohort.csv")
    assert len(worklist(study, "R1", PLAN)) == 2


def test_a_blind_reader_sees_what_his_room_holds_and_nothing_in_the_study(
    study: Study, tmp_path: Path
) -> None:
    assign(study, [SLIDE], {"R7": Role.BLIND_READER, "R8": Role.BLIND_READER})
    assert [one.slide_id for one in worklist(study, "R7", PLAN)] == [OTHER_SLIDE]
    make_room(study, "R7", tmp_path / "room", model=MODEL)
    room = Study(tmp_path / "room")
    (only,) = worklist(room, "R7", PLAN)
    assert (only.slide_id, only.role, only.state) == (SLIDE, Role.BLIND_READER, "unread")
    assert only.why.concern is Concern.REGION
    with pytest.raises(AnnotationError, match="another reader's"):
        worklist(room, "R8", PLAN)
    make_room(study, "R8", tmp_path / "bare")
    (bare,) = worklist(Study(tmp_path / "bare"), "R8", PLAN)
    assert bare.why.concern is Concern.NOTHING, "a room without predictions tells of none"


def test_an_adjudicator_settles_once_all_have_read_and_differ(study: Study) -> None:
    roles = {"R1": Role.READER, "R2": Role.READER, "R3": Role.ADJUDICATOR}
    assign(study, [SLIDE, OTHER_SLIDE], roles)
    assert {one.state for one in worklist(study, "R3", PLAN)} == {SlideState.WAITING}
    read(study, SLIDE, 2, "R2")
    for reader, grades in (("R1", ("hsil", "lsil")), ("R2", ("benign", "lsil"))):
        for slide_id, grade in zip((SLIDE, OTHER_SLIDE), grades, strict=True):
            sign_off_slide(study, slide_id, reader=reader, grade=grade)
    found = worklist(study, "R3", PLAN)
    assert [(one.slide_id, one.state) for one in found] == [
        (SLIDE, SlideState.TO_SETTLE),
        (OTHER_SLIDE, SlideState.SIGNED),
    ]
    assert found[0].unsure == 1, "what a reader was unsure of waits for him"


def graded(study: Study, slide_id: str, decision: str, shares: tuple[float, ...]) -> None:
    grade = {
        "slide_id": slide_id,
        "classes": ["benign", "lsil", "hsil"],
        "probabilities": shares,
        "decision": decision,
        "prediction_set": [],
        "familiarity": 0.5,
        "notes": [],
        "tiles": 3,
    }
    table = ObjectTable(
        np.empty(0, object),
        np.empty(0, np.uint8),
        np.empty(0, np.float32),
        np.empty(0, np.float32),
        {"origin": "model", "grade": grade},
    )
    write_objects(study.objects_path(slide_id, "grade/grader"), table)


def test_a_slide_left_to_the_doctor_comes_before_a_costly_grade(tmp_path: Path) -> None:
    study = make_queue_study(tmp_path / "study", predicted=False)
    assert [one.why.concern for one in worklist(study, "R1", PLAN)] == [Concern.NOTHING] * 2
    graded(study, SLIDE, "hsil", (0.3, 0.3, 0.4))
    graded(study, OTHER_SLIDE, "refer", (0.05, 0.05, 0.9))
    found = worklist(study, "R1", PLAN)
    assert [(one.slide_id, one.why.concern) for one in found] == [
        (OTHER_SLIDE, Concern.REFERRED),
        (SLIDE, Concern.GRADE),
    ]
    graded(study, OTHER_SLIDE, "hsil", (0.05, 0.05, 0.9))
    found = worklist(study, "R1", PLAN)
    assert [one.slide_id for one in found] == [SLIDE, OTHER_SLIDE]
    assert found[0].why.value > found[1].why.value
    assert found[0].why.model == "grader"


def test_where_no_model_ranks_open_proposals_count(tmp_path: Path) -> None:
    study = make_queue_study(tmp_path / "study", predicted=False)
    assert why_read(study, SLIDE, 3).concern is Concern.PROPOSALS
    assert (
        why_read(study, SLIDE, 3).rank
        < why_read(study, SLIDE, 2).rank
        < why_read(study, SLIDE).rank
    )


def test_a_damaged_grade_is_no_reason_to_fail(study: Study) -> None:
    path = study.objects_path(SLIDE, "grade/broken")
    path.write_bytes(b"no table")
    assert {one.why.concern for one in worklist(study, "R1", PLAN)} == {Concern.REGION}


def test_a_table_lists_its_slides_alone(study: Study, tmp_path: Path) -> None:
    from tests.annotations.review.queue.test_region_queue import write_table

    path = tmp_path / "queue.csv"
    write_table(path, [(OTHER_SLIDE, 1, False)])
    found = worklist(study, "R1", ReadingPlan(SETTINGS, file=path))
    assert [one.slide_id for one in found] == [OTHER_SLIDE]
