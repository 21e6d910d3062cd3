from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from napari_pathoai import session as session_module
from napari_pathoai.opening.open_review import default_reader
from napari_pathoai.session import ReviewSession
from napari_pathoai.what_to_read import choose_slide, tiled_slides
from pathoai.errors import (
    AnnotationError,
    OntologyError,
    ReadOnlyError,
    StoreError,
    StudyError,
)
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations import proposals
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.proposals import model_code
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.reading_room import make_room
from tests.read_only_place import contents, read_only
from tests.viewer_plugin.small_study import MODEL, OTHER_SLIDE, SLIDE, square

BOX = shapely.box(10.25, 20.5, 110.75, 220.125)
WHOLE = Region(0, 0, 2500, 1700)


@pytest.fixture
def session(study: Study) -> Iterator[ReviewSession]:
    opened = ReviewSession(study, SLIDE, "R1")
    yield opened
    opened.close()


def proposal(confidence: float | None, x: float = 0) -> Annotation:
    outline = shapely.box(x, 0, x + 10, 10)
    return Annotation(
        uuid.uuid4(), SLIDE, "hsil", outline, Origin.MODEL, "m", confidence=confidence
    )


def test_what_is_drawn_is_validated_and_saved_exactly(session: ReviewSession) -> None:
    drawn = session.add("lsil", BOX)
    assert (drawn.status, drawn.origin, drawn.author) == (
        Status.VALIDATED,
        Origin.PATHOLOGIST,
        "R1",
    )
    assert drawn.geometry.wkb == BOX.wkb
    assert session.saved.edits == 1
    assert session.saved.last is not None


def test_another_session_finds_every_edit(session: ReviewSession, study: Study) -> None:
    drawn = session.add("lsil", BOX)
    session.change_class([drawn.id], "hsil")
    again = ReviewSession(study, SLIDE, "R2")
    (found,) = again.annotations().annotations
    assert (found.id, found.label, found.status) == (drawn.id, "hsil", Status.CORRECTED)
    again.close()


def test_rejected_annotations_leave_the_screen_but_not_the_journal(session: ReviewSession) -> None:
    drawn = session.add("lsil", BOX)
    session.reject([drawn.id])
    assert session.annotations().annotations == ()
    assert session.annotations().total == 0
    assert session.counts()[Status.REJECTED] == 1


def test_accepting_again_is_no_edit(session: ReviewSession) -> None:
    one = proposal(0.5)
    session.journal.propose([one])
    session.accept([one.id])
    session.accept([one.id])
    assert session.saved.edits == 1


def test_the_same_class_again_is_no_edit(session: ReviewSession) -> None:
    drawn = session.add("lsil", BOX)
    (state,) = session.change_class([drawn.id], "lsil")
    assert state.status is Status.VALIDATED
    assert session.saved.edits == 1


def test_a_class_change_keeps_the_holes(session: ReviewSession) -> None:
    drawn = session.add("lsil", square(0))
    (state,) = session.change_class([drawn.id], "hsil")
    assert state.geometry.wkb == square(0).wkb


def test_unknown_classes_and_ids_are_refused(session: ReviewSession) -> None:
    with pytest.raises(OntologyError, match="did you mean"):
        session.add("lsill", BOX)
    with pytest.raises(AnnotationError, match="unknown"):
        session.accept([uuid.uuid4()])
    assert session.saved.edits == 0


def test_a_name_is_no_reader(study: Study) -> None:
    with pytest.raises(AnnotationError, match="never names"):
        ReviewSession(study, SLIDE, "Dr A. Name")


def test_proposals_come_least_confident_first_and_come_round(session: ReviewSession) -> None:
    ones = [proposal(c, 20 * i) for i, c in enumerate((0.9, 0.2, None, 0.5))]
    session.journal.propose(ones)
    found = [session.next_proposal() for _ in range(5)]
    assert [f and f.confidence for f in found] == [None, 0.2, 0.5, 0.9, None]
    session.reject([ones[1].id])
    assert [f and f.confidence for f in (session.next_proposal(),)] == [0.5]


def test_no_proposal_is_said_as_none(session: ReviewSession) -> None:
    assert session.next_proposal() is None


def test_predicted_objects_become_proposals_once(session: ReviewSession) -> None:
    assert session.predictions == (MODEL,)
    result = session.propose_from_prediction(MODEL, WHOLE)
    assert (result.new, result.known, result.beyond) == (2, 0, 0)
    again = session.propose_from_prediction(MODEL, WHOLE)
    assert (again.new, again.known) == (0, 2)
    found = session.next_proposal()
    assert found is not None
    assert found.confidence == pytest.approx(0.6)
    assert found.origin is Origin.MODEL
    assert found.derived_from == f"model:{MODEL}@{'ab' * 32}"


def test_only_objects_in_view_become_proposals(session: ReviewSession) -> None:
    left, top, right, bottom = square(1).bounds
    result = session.propose_from_prediction(MODEL, Region(left, top, right - left, bottom - top))
    assert result.new == 1
    (only,) = session.annotations().annotations
    assert only.geometry.equals(square(1))


def test_judged_proposals_stay_judged_when_proposed_again(session: ReviewSession) -> None:
    session.propose_from_prediction(MODEL, WHOLE)
    first = session.next_proposal()
    assert first is not None
    session.reject([first.id])
    session.propose_from_prediction(MODEL, WHOLE)
    assert session.counts()[Status.REJECTED] == 1


def test_too_many_objects_are_counted_not_hidden(
    session: ReviewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "MOST_AT_ONCE", 1)
    result = session.propose_from_prediction(MODEL, WHOLE)
    assert (result.new, result.beyond) == (1, 1)


def test_too_many_annotations_show_those_in_view(
    session: ReviewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.journal.propose([proposal(0.5, x) for x in range(0, 1000, 100)])
    everything = session.annotations(Region(0, 0, 250, 50))
    assert (len(everything.annotations), everything.is_partial) == (10, False)
    monkeypatch.setattr(session_module, "MOST_AT_ONCE", 5)
    in_view = session.annotations(Region(0, 0, 250, 50))
    assert (len(in_view.annotations), in_view.total, in_view.is_partial) == (3, 10, True)


def test_a_slide_without_objects_says_what_to_run(session: ReviewSession) -> None:
    with pytest.raises(StoreError, match="pathoai predict"):
        session.propose_from_prediction("another", WHOLE)


def test_the_first_tiled_slide_is_chosen(study: Study, tmp_path: Path) -> None:
    assert tiled_slides(study) == (SLIDE,)
    assert choose_slide(study, None) == SLIDE
    assert choose_slide(study, OTHER_SLIDE) == OTHER_SLIDE
    with pytest.raises(StudyError, match="no such slide"):
        choose_slide(study, "0000000000000000")
    empty = Study.create(tmp_path / "empty", ontology="cervix")
    with pytest.raises(StudyError, match="pathoai tile"):
        choose_slide(empty, None)


def test_an_untiled_slide_says_what_to_run(study: Study) -> None:
    with pytest.raises(StoreError, match="pathoai tile"):
        ReviewSession(study, OTHER_SLIDE, "R1")


@pytest.mark.parametrize(
    ("name", "code"), [("nuclei", "nuclei"), ("cervix v1.2", "cervix-v1-2"), ("…", "model")]
)
def test_models_sign_with_a_code(name: str, code: str) -> None:
    assert model_code(name) == code


def test_a_blind_reader_reviews_in_his_room_and_nowhere_else(study: Study, tmp_path: Path) -> None:
    readers = {"R7": Role.BLIND_READER, "R8": Role.BLIND_READER}
    assign(study, [SLIDE], readers)
    with pytest.raises(AnnotationError, match="pathoai readers room STUDY --reader R7"):
        ReviewSession(study, SLIDE, "R7")
    make_room(study, "R7", tmp_path / "room")
    room = Study(tmp_path / "room")
    assert (default_reader(study), default_reader(room)) == ("R1", "R7")
    session = ReviewSession(room, SLIDE, default_reader(room))
    session.add("lsil", BOX)
    assert session.predictions == ()
    session.close()
    with pytest.raises(AnnotationError, match="another reader's"):
        ReviewSession(room, SLIDE, "R8")


def test_what_was_done_is_undone_and_redone_across_restarts(
    session: ReviewSession, study: Study
) -> None:
    drawn = session.add("lsil", shapely.box(0, 0, 50, 50))
    session.change_class([drawn.id], "hsil")
    session.undo()
    assert session.get(drawn.id).label == "lsil"
    session.close()
    again = ReviewSession(study, SLIDE, "R1")
    done = again.undo()
    assert done is not None
    assert done.region == Region(0, 0, 50, 50)
    assert again.annotations().total == 0
    assert again.undo() is None
    again.redo()
    again.redo()
    assert [a.label for a in again.annotations().annotations] == ["hsil"]
    assert again.redo() is None
    again.close()


def test_one_action_is_undone_at_once(session: ReviewSession) -> None:
    boxes = [shapely.box(x, 0, x + 50, 50) for x in (0, 100, 200)]
    with session.as_one_action():
        for box in boxes:
            session.add("lsil", box)
    session.undo()
    assert session.annotations().total == 0


def test_a_signed_slide_is_locked_until_it_is_reopened(session: ReviewSession) -> None:
    drawn = session.add("lsil", shapely.box(0, 0, 50, 50))
    session.journal.sign_off(SLIDE, author="R1")
    for edit in (
        lambda: session.add("hsil", shapely.box(0, 0, 9, 9)),
        lambda: session.accept([drawn.id]),
        lambda: session.reject([drawn.id]),
        lambda: session.change_class([drawn.id], "hsil"),
        lambda: session.change_outline(drawn.id, shapely.box(0, 0, 9, 9)),
        session.undo,
        session.redo,
    ):
        with pytest.raises(AnnotationError, match=r"locked.*[Rr]eopen"):
            edit()
    assert session.get(drawn.id) == drawn
    session.journal.reopen(SLIDE, author="R1")
    session.reject([drawn.id])
    assert session.annotations().total == 0


def test_time_that_no_entry_tells_is_noted_at_the_end(
    session: ReviewSession, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 30.0)
    session.close()
    with Journal.open(study) as journal:
        (noted,) = journal.remarks({Operation.READING_TIME}, SLIDE, "R1")
    assert noted.seconds == pytest.approx(30, abs=5)


def test_what_a_model_proposes_can_be_out_of_sight(session: ReviewSession) -> None:
    session.propose_from_prediction(MODEL, WHOLE)
    drawn = session.add("lsil", shapely.box(0, 0, 50, 50))
    assert session.annotations().total == 3
    session.hides_model = True
    shown = session.annotations()
    assert ([a.id for a in shown.annotations], shown.is_partial) == ([drawn.id], False)


def test_a_study_that_may_only_be_read_is_not_reviewed(study: Study) -> None:
    """Before there is a window: what a reader says in it would be lost."""
    Journal.open(study).close()
    before = contents(study.path)
    refusal = r"a review is kept in the journal.*a copy of the study"
    with read_only(study.path), pytest.raises(ReadOnlyError, match=refusal):
        ReviewSession(study, SLIDE, "R1")
    assert contents(study.path) == before
