"""The journal: who may do what, all or nothing, and nothing is ever changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shapely import Polygon, box

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
Act = Callable[[Journal, uuid.UUID], object]

BOW_TIE = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
OTHER_SLIDE = "FEDCBA9876543210"


def _validate(journal: Journal, annotation_id: uuid.UUID) -> None:
    journal.validate([annotation_id], author="R2")


def _correct(journal: Journal, annotation_id: uuid.UUID) -> None:
    journal.correct(annotation_id, author="R2", label="stroma")


def _reject(journal: Journal, annotation_id: uuid.UUID) -> None:
    journal.reject([annotation_id], author="R2")


@pytest.mark.parametrize(
    ("first", "second", "after", "edits"),
    [
        (None, None, Status.PROPOSED, 1),
        (None, _validate, Status.VALIDATED, 2),
        (None, _correct, Status.CORRECTED, 2),
        (None, _reject, Status.REJECTED, 2),
        (_validate, _validate, Status.VALIDATED, 2),
        (_validate, _correct, Status.CORRECTED, 3),
        (_validate, _reject, Status.REJECTED, 3),
        (_correct, _validate, Status.CORRECTED, 2),
        (_correct, _correct, Status.CORRECTED, 3),
        (_correct, _reject, Status.REJECTED, 3),
        (_reject, _validate, Status.VALIDATED, 3),
        (_reject, _correct, Status.CORRECTED, 3),
        (_reject, _reject, Status.REJECTED, 2),
    ],
)
def test_the_table_of_states(
    journal: Journal, draw: Draw, first: Act | None, second: Act | None, after: Status, edits: int
) -> None:
    annotation = draw()
    journal.propose([annotation])
    for act in filter(None, (first, second)):
        act(journal, annotation.id)
    assert journal.get(annotation.id).status is after
    assert len(list(journal.events())) == edits


def test_an_edit_keeps_all_but_its_subject_and_the_models_probability(
    journal: Journal, draw: Draw
) -> None:
    before = draw(confidence=0.25, derived_from="model:unet@00", author="model")
    journal.propose([before])
    journal.validate([before.id], author="R1")
    assert journal.get(before.id) == replace(before, status=Status.VALIDATED, author="R1")
    outline = box(0, 0, 7, 7)
    corrected = journal.correct(before.id, author="R2", geometry=outline)
    assert corrected == journal.get(before.id)
    assert corrected == replace(
        before, status=Status.CORRECTED, author="R2", geometry=outline, confidence=None
    )


def test_every_edit_says_who_when_and_with_what(journal: Journal, draw: Draw) -> None:
    annotation = draw(author="model")
    journal.propose([annotation], tool="unet 1")
    journal.validate([annotation.id], author="R1", tool="napari 1")
    journal.correct(annotation.id, author="R2", label="stroma", tool="napari 2")
    journal.reject([annotation.id], author="R3", tool="napari 3")
    events = list(journal.events())
    assert [(e.seq, e.operation, e.author, e.tool) for e in events] == [
        (1, "propose", "model", "unet 1"),
        (2, "validate", "R1", "napari 1"),
        (3, "correct", "R2", "napari 2"),
        (4, "reject", "R3", "napari 3"),
    ]
    times = [e.at for e in events]
    assert times == sorted(times)
    assert all(t.endswith("+00:00") for t in times)


def test_proposing_again_changes_nothing(journal: Journal, draw: Draw) -> None:
    batch = [draw(f"{i}") for i in range(5)]
    assert journal.propose(batch) == 5
    assert journal.propose([*batch, draw("new")]) == 1
    assert journal.propose(batch) == 0
    assert len(list(journal.events())) == 6


@pytest.mark.parametrize("act", [_validate, _correct, _reject])
def test_proposing_again_what_a_pathologist_judged_changes_nothing(
    journal: Journal, draw: Draw, act: Act
) -> None:
    proposal = draw()
    journal.propose([proposal])
    act(journal, proposal.id)
    judged = journal.get(proposal.id)
    assert journal.propose([proposal]) == 0
    assert journal.get(proposal.id) == judged


def test_what_was_corrected_comes_back_from_another_program_unharmed(
    journal: Journal, draw: Draw
) -> None:
    first = draw()
    journal.propose([first])
    corrected = journal.correct(first.id, author="R1", label="stroma")
    for known in (first, replace(corrected, status=Status.PROPOSED, author="import")):
        assert journal.propose([known]) == 0
    with pytest.raises(AnnotationError, match="another content"):
        journal.propose([replace(first, label="vessel")])
    assert journal.annotations() == [corrected]


@pytest.mark.parametrize(
    "change", [{"label": "stroma"}, {"geometry": box(0, 0, 3, 3)}, {"slide_id": OTHER_SLIDE}]
)
def test_another_content_under_a_known_id_is_refused_and_nothing_enters(
    journal: Journal, draw: Draw, change: dict[str, object]
) -> None:
    known = draw()
    journal.propose([known])
    with pytest.raises(AnnotationError, match="another content") as raised:
        journal.propose([draw("fresh"), replace(known, **change)])  # type: ignore[arg-type]  # any field
    assert str(known.id) in str(raised.value)
    assert journal.annotations() == [known]


def test_two_contents_of_one_id_in_one_batch_are_refused(journal: Journal, draw: Draw) -> None:
    one = draw()
    with pytest.raises(AnnotationError, match="another content"):
        journal.propose([one, replace(one, label="stroma")])
    assert journal.propose([one, one]) == 1


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.PROPOSED])
def test_nothing_enters_as_already_judged(journal: Journal, draw: Draw, status: Status) -> None:
    with pytest.raises(AnnotationError, match="new annotations are proposals"):
        journal.propose([draw("good"), replace(draw("bad"), status=status)])
    assert journal.annotations() == []


def test_an_unknown_id_changes_nothing_of_a_batch(journal: Journal, draw: Draw) -> None:
    known, unknown = draw("known"), draw("unknown").id
    journal.propose([known])
    for act in (journal.validate, journal.reject):
        with pytest.raises(AnnotationError, match=f"unknown annotation; found {unknown}"):
            act([known.id, unknown], author="R1")
    with pytest.raises(AnnotationError, match="unknown annotation"):
        journal.correct(unknown, author="R1", label="stroma")
    with pytest.raises(AnnotationError, match="unknown annotation"):
        journal.get(unknown)
    assert [e.annotation for e in journal.events()] == [known]


def test_a_malformed_correction_changes_nothing(journal: Journal, draw: Draw) -> None:
    annotation = draw()
    journal.propose([annotation])
    with pytest.raises(AnnotationError, match="crosses itself"):
        journal.correct(annotation.id, author="R1", geometry=BOW_TIE)
    assert journal.annotations() == [annotation]


def test_a_name_signs_no_edit(journal: Journal, draw: Draw) -> None:
    annotation = draw()
    journal.propose([annotation])
    for act in (journal.validate, journal.reject):
        with pytest.raises(AnnotationError, match="short codes"):
            act([], author="Marie Dupont")
    with pytest.raises(AnnotationError, match="short codes"):
        journal.correct(annotation.id, author="marie@chu.example", label="stroma")
    assert len(list(journal.events())) == 1


def test_a_batch_without_ids_is_no_edit(journal: Journal) -> None:
    journal.validate([], author="R1")
    journal.reject(iter(()), author="R1")
    assert journal.propose([]) == 0
    assert list(journal.events()) == []


def test_annotations_are_read_by_slide_and_status_in_the_order_of_their_proposal(
    journal: Journal, draw: Draw
) -> None:
    here = [draw(f"{i}") for i in range(3)]
    there = draw("there", slide_id=OTHER_SLIDE)
    journal.propose([here[2], there, here[0], here[1]])
    journal.validate([here[2].id], author="R1")
    journal.reject([here[0].id], author="R1")
    order = [here[2].id, here[0].id, here[1].id]
    assert [a.id for a in journal.annotations(here[0].slide_id)] == order
    found = journal.annotations(status={Status.VALIDATED, Status.PROPOSED})
    assert [a.id for a in found] == [here[2].id, there.id, here[1].id]
    assert journal.annotations("0" * 16) == []
    assert journal.annotations(status=()) == []
    assert [e.state.id for e in journal.events(OTHER_SLIDE)] == [there.id]
    assert journal.counts(OTHER_SLIDE) == dict.fromkeys(Status, 0) | {Status.PROPOSED: 1}
    assert journal.counts() == dict.fromkeys(Status, 1) | {
        Status.CORRECTED: 0,
        Status.PROPOSED: 2,
    }


def test_a_reader_sees_one_state_while_another_writes(place: Path | str, draw: Draw) -> None:
    with Journal(place) as reader, Journal(place) as writer:
        writer.propose(draw(f"{i}") for i in range(1200))
        events = reader.events()
        next(events)
        writer.propose([draw("later")])
        assert len(list(events)) == 1199
        assert len(list(reader.events())) == 1201


def test_what_is_done_at_once_is_kept_whole_or_not_at_all(
    journal: Journal, place: Path | str, draw: Draw
) -> None:
    """It sees its own edits, others see none before its end, and a refusal takes all back."""
    first, second = draw("a"), draw("b")
    with Journal(place) as other:
        with journal.at_once():
            journal.propose([first])
            journal.validate([first.id], author="R1")
            assert journal.get(first.id).status is Status.VALIDATED
            assert other.annotations() == []
        assert [a.status for a in other.annotations()] == [Status.VALIDATED]
        with pytest.raises(AnnotationError):
            _propose_and_fail(journal, second)
        assert [a.id for a in other.annotations()] == [first.id]
        assert [a.id for a in journal.annotations()] == [first.id]


def _propose_and_fail(journal: Journal, annotation: Annotation) -> None:
    with journal.at_once():
        journal.propose([annotation])
        journal.validate([uuid.uuid4()], author="R1")
