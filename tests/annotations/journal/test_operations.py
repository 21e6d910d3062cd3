"""Deleting, restoring, commenting, signing off, adjudicating: edits like the others."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from shapely import box

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.history import differences
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
SLIDE = "0123456789ABCDEF"


def test_what_is_deleted_leaves_every_present_state_but_not_the_log(
    journal: Journal, draw: Draw
) -> None:
    gone, stays = draw("gone"), draw("stays")
    journal.propose([gone, stays])
    journal.validate([gone.id], author="R1")
    journal.delete([gone.id], author="R2", comment="on a fold", seconds=2.5)
    assert journal.annotations() == [stays]
    assert journal.annotations(region=Region(0, 0, 500, 500)) == [stays]
    assert journal.columns(SLIDE).ids.tolist() == [str(stays.id)]
    assert journal.counts() == dict.fromkeys(Status, 0) | {Status.PROPOSED: 1}
    assert journal.annotations(at_seq=4) == [stays]
    assert [a.status for a in journal.annotations(at_seq=3)] == ["validated", "proposed"]
    for act in (journal.validate, journal.reject):
        with pytest.raises(AnnotationError, match=r"was deleted.*annotations restore"):
            act([stays.id, gone.id], author="R1")
    with pytest.raises(AnnotationError, match="was deleted"):
        journal.get(gone.id)
    journal.delete([gone.id], author="R1")
    *_, last = journal.events()
    assert (last.operation, last.author, last.seconds) == (Operation.DELETE, "R2", 2.5)
    assert last.comment == "on a fold"
    assert last.state == replace(gone, status=Status.VALIDATED, author="R2")
    with pytest.raises(AnnotationError, match="unknown annotation"):
        journal.delete([stays.id, uuid.uuid4()], author="R1")
    assert journal.annotations() == [stays]


def test_importing_again_what_was_deleted_does_not_bring_it_back(
    journal: Journal, draw: Draw
) -> None:
    journal.propose([draw()])
    journal.delete([draw().id], author="R1")
    assert journal.propose([draw()]) == 0
    assert journal.annotations() == []
    with pytest.raises(AnnotationError, match="another content"):
        journal.propose([draw(label="stroma")])


def test_a_past_state_comes_back_as_new_edits(journal: Journal, draw: Draw) -> None:
    one, two = draw("one", confidence=0.5), draw("two")
    journal.propose([one, two])
    journal.correct(one.id, author="R1", label="stroma")
    journal.delete([two.id], author="R1")
    restored = journal.restore([one.id, two.id], at=2, author="R2")
    assert restored == [replace(a, author="R2") for a in (one, two)]
    assert journal.annotations() == restored
    assert [e.operation for e in journal.events()][-2:] == ["restore", "restore"]
    assert len(list(journal.events())) == 6
    assert journal.restore([one.id, two.id], at=2, author="R3") == []
    assert [a.label for a in journal.annotations(at_seq=4)] == ["stroma"]


def test_nothing_is_restored_that_was_not_there(journal: Journal, draw: Draw) -> None:
    journal.propose([draw("one")])
    journal.correct(draw("one").id, author="R1", label="stroma")
    journal.propose([draw("two")])
    with pytest.raises(AnnotationError, match="was not there then"):
        journal.restore([draw("one").id, draw("two").id], at=1, author="R1")
    with pytest.raises(AnnotationError, match="was not there then"):
        journal.restore([uuid.uuid4()], at=3, author="R1")
    assert len(list(journal.events())) == 3


def test_a_whole_slide_is_as_it_was_and_other_slides_are_left_alone(
    journal: Journal, draw: Draw
) -> None:
    elsewhere = draw("elsewhere", slide_id="F" * 16)
    journal.propose([draw("a"), draw("b"), elsewhere])
    journal.validate([draw("a").id], author="R1")
    then = journal.annotations(SLIDE)
    at = list(journal.events())[-1].seq
    journal.propose([draw("later")])
    journal.reject([draw("a").id, elsewhere.id], author="R1")
    journal.delete([draw("b").id], author="R1")
    changed = journal.restore_slide(SLIDE, at=at, author="R2")
    now = journal.annotations(SLIDE)
    assert [replace(a, author="R1") for a in now] == then
    assert [a.id for a in changed] == [draw(name).id for name in ("a", "b", "later")]
    assert journal.annotations("F" * 16)[0].status is Status.REJECTED
    check_journal(journal)


def test_one_edit_of_many_is_brought_back(journal: Journal, draw: Draw) -> None:
    journal.propose([draw()])
    for label in ("stroma", "vessel"):
        journal.correct(draw().id, author="R1", label=label)
    assert journal.restore_edit(2, author="R2").label == "stroma"
    assert journal.get(draw().id).author == "R2"
    journal.comment("why?", slide_id=SLIDE, author="R1")
    for seq in (5, 6, 0):
        with pytest.raises(AnnotationError, match="no edit of an annotation has this number"):
            journal.restore_edit(seq, author="R1")


def test_a_moment_is_a_query(place: Path | str, draw: Draw) -> None:
    start = datetime.now(UTC)
    with Journal(place) as journal:
        journal.propose([draw()])
        journal.validate([draw().id], author="R1")
        first, second = (datetime.fromisoformat(e.at) for e in journal.events())
        assert journal.annotations(at=start - timedelta(days=1)) == []
        assert journal.annotations(at=second) == journal.annotations()
        assert journal.annotations(at=second + timedelta(days=1)) == journal.annotations()
        if first < second:
            (then,) = journal.annotations(at=first)
            assert then.status is Status.PROPOSED
        elsewhere = second.astimezone(None).isoformat()
        assert journal.seq_at(elsewhere) == 2
        assert journal.seq_at(start - timedelta(days=1)) == 0
        for moment in (datetime(2026, 5, 1), "2026-05-01T12:00", "yesterday"):
            with pytest.raises(InvalidValueError, match="moment"):
                journal.annotations(at=moment)
        with pytest.raises(InvalidValueError, match="one moment, not two"):
            journal.annotations(at=second, at_seq=1)
        assert next(journal.events(since_seq=1)).operation is Operation.VALIDATE


def test_time_never_goes_back_with_a_clock(
    journal: Journal, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathoai_annotations.journal import append

    class Slow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # of UTC only
            return datetime(2020, 1, 1, tzinfo=UTC)

    journal.propose([draw("a")])
    monkeypatch.setattr(append, "datetime", Slow)
    journal.propose([draw("b")])
    first, second = journal.events()
    assert first.at == second.at == second.made_at
    check_journal(journal)


def test_a_comment_changes_nothing_but_is_in_the_log(journal: Journal, draw: Draw) -> None:
    journal.propose([draw()])
    journal.comment("is it?", annotation_id=draw().id, author="R2")
    journal.comment("pale stain", slide_id=SLIDE, author="R2")
    assert journal.annotations() == [draw()]
    on_annotation, on_slide = list(journal.events())[1:]
    assert (on_annotation.annotation_id, on_annotation.slide_id) == (draw().id, SLIDE)
    assert (on_slide.annotation_id, on_slide.comment) == (None, "pale stain")
    assert not on_slide.stands
    assert on_slide.annotation is None
    journal.delete([draw().id], author="R2")
    journal.comment("gone", annotation_id=draw().id, author="R2")
    assert len(list(journal.events(annotation_id=draw().id))) == 4
    with pytest.raises(AnnotationError, match="on one annotation or on one slide"):
        journal.comment("?", author="R1")
    with pytest.raises(AnnotationError, match="on one annotation or on one slide"):
        journal.comment("?", author="R1", annotation_id=draw().id, slide_id=SLIDE)
    with pytest.raises(AnnotationError, match="unknown annotation"):
        journal.comment("?", author="R1", annotation_id=uuid.uuid4())


def test_a_comment_on_a_region_is_no_answer_to_it(journal: Journal) -> None:
    region = Region(10, 20, 300, 400)
    journal.comment_region(SLIDE, region, "a fold", author="R1")
    (event,) = journal.events()
    assert (event.operation, event.region, event.comment) == ("comment", region, "a fold")
    assert journal.region_readings() == []
    assert journal.undo(SLIDE, author="R1") is None
    with pytest.raises(AnnotationError, match="identified"):
        journal.comment_region(SLIDE, region, "call 0612345678", author="R1")
    check_journal(journal)


@pytest.mark.parametrize(
    "text", ["", "  ", "a" * 2001, "jane.doe@chu.example", "IPP 8001234567", "06 12 34 56 78"]
)
def test_a_comment_is_short_and_identifies_nobody(journal: Journal, draw: Draw, text: str) -> None:
    journal.propose([draw()])
    with pytest.raises(AnnotationError, match="comment") as raised:
        journal.comment(text, slide_id=SLIDE, author="R1")
    assert len(text) < 5 or text not in str(raised.value)
    with pytest.raises(AnnotationError, match="comment"):
        journal.validate([draw().id], author="R1", comment=text)
    assert len(list(journal.events())) == 1


def test_a_reader_signs_a_slide_off(journal: Journal, draw: Draw) -> None:
    journal.propose([draw()])
    journal.sign_off(SLIDE, author="R1", grade="hsil", seconds=41.5, comment="clear")
    journal.sign_off(SLIDE, author="R2", with_model=True)
    journal.sign_off("F" * 16, author="R1")
    journal.adjudicate_slide(SLIDE, author="A1", grade="lsil", seconds=9)
    found = journal.sign_offs(SLIDE)
    told = [(e.author, e.grade, e.seconds, e.with_model, e.comment) for e in found]
    assert told == [("R1", "hsil", 41.5, False, "clear"), ("R2", None, None, True, None)]
    assert len(journal.sign_offs()) == 3
    *_, last = journal.events()
    assert (last.operation, last.grade, last.slide_id) == (Operation.ADJUDICATE, "lsil", SLIDE)
    assert journal.annotations() == [draw()]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"slide_id": "DOE_Jane"}, "named by its code"),
        ({"grade": "high grade!"}, "key of a class"),
        ({"author": "Jane Doe"}, "short codes"),
        ({"seconds": -1.0}, "seconds; found -1.0"),
        ({"seconds": float("nan")}, "seconds; found nan"),
        ({"tool": ""}, "a program and its version"),
    ],
)
def test_a_malformed_sign_off_is_refused(
    journal: Journal, wrong: dict[str, str], expected: str
) -> None:
    details = {"slide_id": SLIDE, "author": "R1", **wrong}
    with pytest.raises(AnnotationError, match=expected):
        journal.sign_off(**details)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError, match="secnds"):
        journal.sign_off(SLIDE, author="R1", secnds=3)  # type: ignore[call-arg]  # likewise
    assert list(journal.events()) == []


def test_an_adjudicator_has_the_last_word(journal: Journal, draw: Draw) -> None:
    journal.propose([draw(confidence=0.5, derived_from="model:unet@00")])
    journal.reject([draw().id], author="R1")
    kept = journal.adjudicate(draw().id, author="A1", status=Status.VALIDATED)
    assert (kept.status, kept.confidence, kept.author) == (Status.VALIDATED, 0.5, "A1")
    moved = journal.adjudicate(
        draw().id, author="A1", status=Status.CORRECTED, geometry=box(0, 0, 9, 9), label="stroma"
    )
    assert journal.get(draw().id) == moved
    assert (moved.confidence, moved.derived_from) == (None, "model:unet@00")
    with pytest.raises(AnnotationError, match="is a judgement"):
        journal.adjudicate(draw().id, author="A1", status=Status.PROPOSED)


def test_measurements_and_the_model_go_with_an_annotation(journal: Journal, draw: Draw) -> None:
    measured = {"Nucleus: Area µm²": 31.25, "p": 0.1}
    proposed = replace(draw(derived_from="model:unet@" + "ab" * 32), measurements=measured)
    journal.propose([proposed])
    assert journal.annotations() == [proposed]
    journal.validate([proposed.id], author="R1")
    assert journal.get(proposed.id).measurements == measured
    corrected = journal.correct(proposed.id, author="R1", label="stroma")
    # They were measured of another outline, or told of another class.
    assert corrected.measurements == {}
    assert {e.state.derived_from for e in journal.events()} == {"model:unet@" + "ab" * 32}
    assert journal.annotations(at_seq=1) == [proposed]


def test_two_states_are_compared(journal: Journal, draw: Draw) -> None:
    journal.propose([draw(name) for name in "abcd"])
    before = journal.annotations()
    journal.delete([draw("a").id], author="R1")
    journal.correct(draw("b").id, author="R1", label="stroma", geometry=box(0, 0, 9, 9))
    journal.propose([draw("e")])
    found = differences(before, journal.annotations())
    assert [(d.annotation.id, d.changes) for d in found] == [
        (draw("a").id, ("removed",)),
        (draw("b").id, ("class", "outline", "status")),
        (draw("e").id, ("added",)),
    ]
    assert differences(before, before) == []


def test_each_reader_s_last_word_is_kept(journal: Journal, draw: Draw) -> None:
    journal.propose([draw("a", author="model"), draw("b", author="model")])
    journal.correct(draw("a").id, author="R1", label="stroma")
    journal.correct(draw("a").id, author="R2", label="vessel")
    journal.delete([draw("b").id], author="R2")
    (one,) = journal.annotations_of("R1")
    (two,) = journal.annotations_of("R2", SLIDE)
    assert (one.label, two.label) == ("stroma", "vessel")
    assert journal.annotations_of("R2", "F" * 16) == []


def test_present_states_that_were_tampered_with_are_found_and_made_again(
    journal: Journal, draw: Draw
) -> None:
    journal.propose([draw(name) for name in "abc"])
    journal.delete([draw("b").id], author="R1")
    now = journal.annotations()
    report = check_journal(journal)
    assert (report.edits, report.annotations) == (4, 2)
    for statement in (
        "UPDATE current_annotations SET status = 'validated' WHERE first_seq = 1",
        "UPDATE current_annotations SET cell = 7 WHERE first_seq = 1",
        "DELETE FROM current_annotations WHERE first_seq = 3",
    ):
        with journal.database.writing() as connection:
            connection.execute(sa.text(statement))
        with pytest.raises(AnnotationError, match=r"1 annotations.*check STUDY --rebuild"):
            check_journal(journal)
        journal.rebuild_present()
        check_journal(journal)
        assert journal.annotations() == now
