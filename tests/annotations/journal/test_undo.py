"""Undo and redo from the log alone: unbounded, across restarts, and nobody else's work is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, box

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.edit import Edit
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.queries import is_signed
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.journal.undo import Undone, undo_last

Draw = Callable[..., Annotation]
Places = Callable[[], AbstractContextManager[Path | str]]
Act = Callable[[Journal, uuid.UUID], None]
SLIDE = "0123456789ABCDEF"
REGION = Region(0.1, 0.2, 33.3, 17.7)


def _state(journal: Journal) -> tuple[object, ...]:
    """All that undo is about; who said so last is another matter."""
    annotations = sorted(journal.annotations(SLIDE), key=lambda a: a.id)
    readings = [(r.region, r.outcome, r.comment) for r in journal.region_readings(SLIDE, "R1")]
    return [replace(a, author="X") for a in annotations], sorted(readings, key=str)


def _length(journal: Journal) -> int:
    return sum(1 for _ in journal.events())


# What a reader can do in one go, with three outlines and two regions.
IDS = [deterministic_id(name) for name in "abc"]


def _drawn(one: uuid.UUID) -> Annotation:
    outline = box(10 * IDS.index(one), 0, 10 * IDS.index(one) + 5, 5)
    return Annotation(one, SLIDE, "dcis", outline, Origin.PATHOLOGIST, "R1")


def _draw_and_validate(one: uuid.UUID) -> Act:
    def act(journal: Journal, action: uuid.UUID) -> None:
        journal.propose([_drawn(one)], action=action)
        journal.validate([one], author="R1", action=action)

    return act


def _read(place: int, outcome: Outcome) -> Act:
    region = replace(REGION, x=100.7 * place)
    return lambda journal, action: journal.read_region(
        SLIDE,
        region,
        outcome,
        kind=RegionKind.COSTLY,
        with_model=True,
        author="R1",
        action=action,
        comment=f"n {place}",
    )


def _judge_all(outcome: Outcome) -> Act:
    def act(journal: Journal, action: uuid.UUID) -> None:
        ids = [a.id for a in journal.annotations(SLIDE)]
        journal.reject(ids, author="R1", action=action)
        _read(0, outcome)(journal, action)

    return act


def _on(one: uuid.UUID, name: str) -> Act:
    def act(journal: Journal, action: uuid.UUID) -> None:
        if name == "correct":
            journal.correct(one, author="R1", label="stroma", action=action)
        else:
            getattr(journal, name)([one], author="R1", action=action)

    return act


ids = st.sampled_from(IDS)
actions = st.one_of(
    st.builds(_draw_and_validate, ids),
    st.builds(_read, st.integers(0, 1), st.sampled_from(Outcome)),
    st.builds(_judge_all, st.sampled_from(Outcome)),
    st.builds(_on, ids, st.sampled_from(["correct", "validate", "reject", "delete"])),
)
steps = st.lists(st.one_of(actions, st.sampled_from(["undo", "redo", "undo", "redo"])), max_size=25)


@settings(max_examples=30, deadline=None)
@given(steps=steps)
def test_it_is_as_if_every_state_had_been_kept_on_two_stacks(
    new_place: Places, steps: list[Act | str]
) -> None:
    done: list[tuple[object, object]] = []
    undone: list[tuple[object, object]] = []
    with new_place() as place:
        for step in steps:
            with Journal(place) as journal:  # a new program each time
                before, length = _state(journal), _length(journal)
                if isinstance(step, str):
                    there, back = (done, undone) if step == "undo" else (undone, done)
                    told = getattr(journal, step)(SLIDE, author="R1")
                    assert (told is None) == (not there)
                    if there:
                        back.append(there.pop())
                        assert _state(journal) == back[-1][0 if step == "undo" else 1]
                    assert _length(journal) > length or told is None
                    continue
                try:
                    step(journal, uuid.uuid4())
                except AnnotationError:  # unknown yet, or deleted
                    continue
                if _length(journal) > length:
                    done.append((before, _state(journal)))
                    undone.clear()
        with Journal(place) as journal:
            check_journal(journal)


def test_an_action_is_taken_back_whole_and_told(journal: Journal, draw: Draw) -> None:
    action = uuid.uuid4()
    one, two = draw("one", geometry=box(10, 20, 30, 60)), draw("two", geometry=Point(5, 5))
    journal.propose([one, two])
    journal.validate([one.id], author="R1", action=action, seconds=3)
    journal.correct(two.id, author="R1", label="stroma", action=action)
    journal.comment("pale", slide_id=SLIDE, author="R1")
    journal.note_time(SLIDE, 4.5, author="R1")
    undone = journal.undo(SLIDE, author="R1")
    assert undone == Undone(Operation.VALIDATE, 2, Region(5, 5, 25, 55))
    assert [a.status for a in journal.annotations()] == [Status.PROPOSED] * 2
    *_, last, newest = journal.events()
    assert last.undoes == newest.undoes == action
    assert last.action == newest.action != action
    assert (last.operation, last.author, last.seconds) == (Operation.RESTORE, "R1", None)
    assert journal.redo(SLIDE, author="R1") == undone
    assert [a.label for a in journal.annotations()] == ["dcis", "stroma"]
    assert [e.redoes for e in journal.events()][-1] == newest.action
    assert journal.redo(SLIDE, author="R1") is None


def test_what_was_drawn_goes_and_comes_back(journal: Journal, draw: Draw) -> None:
    action = uuid.uuid4()
    journal.propose([draw()], action=action)
    journal.validate([draw().id], author="R1", action=action)
    told = journal.undo(SLIDE, author="R1")
    assert told is not None
    assert (told.operation, told.annotations) == (Operation.PROPOSE, 1)
    assert journal.annotations() == []
    journal.redo(SLIDE, author="R1")
    assert journal.annotations() == [replace(draw(), status=Status.VALIDATED)]


def test_an_import_is_nobodys_action(journal: Journal, draw: Draw) -> None:
    journal.propose([draw()])
    assert journal.undo(SLIDE, author="R1") is None
    journal.validate([draw().id], author="R1")
    assert journal.undo(SLIDE, author="R2") is None
    assert journal.undo("F" * 16, author="R1") is None
    assert journal.redo(SLIDE, author="R1") is None
    assert journal.undo(SLIDE, author="R1") is not None
    assert journal.annotations() == [draw()]


def test_it_ends_at_the_last_sign_off(journal: Journal, draw: Draw) -> None:
    journal.propose([draw("a"), draw("b")])
    journal.validate([draw("a").id], author="R1")
    journal.sign_off(SLIDE, author="R1")
    journal.reopen(SLIDE, author="R1")
    assert journal.undo(SLIDE, author="R1") is None
    journal.validate([draw("b").id], author="R1")
    journal.sign_off(SLIDE, author="R2")  # another's is no end for him
    assert journal.undo(SLIDE, author="R1") is not None
    assert journal.undo(SLIDE, author="R1") is None
    assert [a.status for a in journal.annotations()] == ["validated", "proposed"]


@pytest.mark.parametrize("change", ["reject", "adjudicate", "delete"])
def test_what_somebody_else_changed_since_is_left_to_him(
    journal: Journal, draw: Draw, change: str
) -> None:
    journal.propose([draw("a"), draw("b")])
    journal.validate([draw("a").id, draw("b").id], author="R1")
    if change == "adjudicate":  # also where he left everything as it was
        journal.adjudicate(draw("b").id, author="R2", status=Status.VALIDATED)
    else:
        getattr(journal, change)([draw("b").id], author="R2")
    length = _length(journal)
    with pytest.raises(AnnotationError, match=f"{draw('b').id}.*{change} by R2, edit 5") as raised:
        journal.undo(SLIDE, author="R1")
    assert "\n" not in str(raised.value)
    assert _length(journal) == length
    # Once he has undone it himself, it is free again.
    assert journal.undo(SLIDE, author="R2") is not None
    assert journal.undo(SLIDE, author="R1") is not None
    assert [a.status for a in journal.annotations()] == [Status.PROPOSED] * 2


def test_others_work_before_his_own_comes_back(journal: Journal, draw: Draw) -> None:
    journal.propose([draw(author="model")])
    journal.correct(draw().id, author="R2", label="stroma")
    journal.correct(draw().id, author="R1", label="vessel")
    journal.undo(SLIDE, author="R1")
    assert journal.get(draw().id).label == "stroma"
    # He who undid does not stand behind it for that.
    assert journal.annotations_of("R1") == []
    assert [a.label for a in journal.annotations_of("R2")] == ["stroma"]
    journal.correct(draw().id, author="R3", label="dcis")
    journal.restore_edit(2, author="R1")
    with pytest.raises(AnnotationError, match="restore by R1"):
        journal.undo(SLIDE, author="R3")


def test_there_is_no_bound(journal: Journal, draw: Draw) -> None:
    journal.propose([draw()])
    labels = [f"class_{number}" for number in range(40)]
    for label in labels:
        journal.correct(draw().id, author="R1", label=label)
    for label in [*labels[:-1][::-1], "dcis"]:
        assert journal.undo(SLIDE, author="R1") is not None
        assert journal.get(draw().id).label == label
    assert journal.undo(SLIDE, author="R1") is None
    for label in labels:
        assert journal.redo(SLIDE, author="R1") is not None
        assert journal.get(draw().id).label == label


def test_the_last_action_is_found_by_the_index(journal: Journal, draw: Draw) -> None:
    outlines = [box(number, 0, number + 1, 1) for number in range(2000)]
    drawn = [draw(f"{n}", geometry=one, author="model") for n, one in enumerate(outlines)]
    journal.propose(drawn)
    journal.validate([a.id for a in drawn[:1500]], author="R2")
    journal.validate([drawn[-1].id], author="R1")
    questions: list[tuple[str, object]] = []

    def note(_: object, __: object, text: str, values: object, *___: object) -> None:
        if text.startswith("SELECT") and "FROM events \nWHERE" in text:
            questions.append((text, values))

    with journal.database.writing() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if connection.dialect.name == "postgresql":
            explain = "EXPLAIN"
            connection.execute(sa.text("ANALYZE"))
        sa.event.listen(connection, "before_cursor_execute", note)
        assert undo_last(connection, SLIDE, Edit("R1")) is not None
        assert is_signed(connection, SLIDE, "R1") is False
        sa.event.remove(connection, "before_cursor_execute", note)
        plans = [
            "\n".join(map(str, connection.exec_driver_sql(f"{explain} {text}", values).all()))  # type: ignore[arg-type]  # as the driver got them
            for text, values in questions
        ]
    assert "actions_by_author" in plans[0]
    assert "actions_by_author" in plans[1]
    assert "remarks_by_author" in plans[-1]
    assert not any("SCAN events" in plan or "Seq Scan on events" in plan for plan in plans)
