"""A colleague's journal is taken in: without loss, nothing twice, and no reader is overruled."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pathoai.errors import AnnotationError, MissingFileError
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import (
    MergeReport,
    colleagues_journal,
    merge_journal,
    open_conflicts,
)

Draw = Callable[..., Annotation]
SLIDE = "0123456789ABCDEF"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Journal]:
    """A colleague's journal."""
    with Journal(tmp_path / "other.sqlite") as opened:
        yield opened


def _merge(ours: Journal, theirs: Journal) -> MergeReport:
    report = merge_journal(ours, theirs, {SLIDE})
    check_journal(ours)
    return report


def _told(events: Iterator[Event]) -> set[tuple[object, ...]]:
    """Everything that is said of an edit, but for its number and when it was entered."""
    return {
        tuple(getattr(e, name) for name in Event.__slots__ if name not in ("seq", "at", "stands"))
        for e in events
    }


def test_all_of_it_enters_once(journal: Journal, other: Journal, draw: Draw) -> None:
    journal.propose([draw("ours")])
    other.propose([draw("theirs"), draw("gone")])
    other.validate([draw("theirs").id], author="R2", seconds=4.5, comment="sure")
    other.delete([draw("gone").id], author="R2")
    other.comment("pale", slide_id=SLIDE, author="R2")
    other.sign_off(SLIDE, author="R2", grade="dcis", with_model=True)
    first = _merge(journal, other)
    assert (first.new, first.known, first.conflicts) == (6, 0, ())
    assert _told(other.events()) <= _told(journal.events())
    assert [(a.id, a.status) for a in journal.annotations()] == [
        (draw("ours").id, Status.PROPOSED),
        (draw("theirs").id, Status.VALIDATED),
    ]
    made = {e.made_at for e in other.events()}
    assert {e.made_at for e in journal.events()} >= made
    assert [e.seq for e in journal.events()] == list(range(1, 8))
    again = _merge(journal, other)
    assert (again.new, again.known) == (0, 6)
    other.validate([draw("theirs").id], author="R2")  # no edit: it is validated
    other.reject([draw("theirs").id], author="R2")
    assert (_merge(journal, other).new, len(list(journal.events()))) == (1, 8)
    assert journal.get(draw("theirs").id).status is Status.REJECTED


def test_what_both_imported_is_there_once(journal: Journal, other: Journal, draw: Draw) -> None:
    batch = [draw(f"{number}") for number in range(5)]
    journal.propose(batch)
    other.propose(batch)
    other.validate([batch[0].id], author="R2")
    report = _merge(journal, other)
    assert (report.new, report.known, report.conflicts) == (1, 5, ())
    assert journal.get(batch[0].id).author == "R2"


def test_what_both_edited_stays_as_it_is_here_and_both_histories_are_kept(
    journal: Journal, other: Journal, draw: Draw
) -> None:
    for one, author, label in ((journal, "R1", "stroma"), (other, "R2", "vessel")):
        one.propose([draw("a"), draw("b")])
        one.correct(draw("a").id, author=author, label=label)
        one.reject([draw("b").id], author=author)
    report = _merge(journal, other)
    assert report.new == 2
    conflict, alike = sorted(report.conflicts, key=lambda c: not c.changes)
    assert conflict.changes == ("class",)
    assert alike.changes == ()
    assert (conflict.ours, conflict.theirs) == (
        journal.get(draw("a").id),
        other.get(draw("a").id),
    )
    assert journal.get(draw("a").id).label == "stroma"
    assert [e.stands for e in journal.events()] == [True] * 4 + [False] * 2
    assert open_conflicts(journal) == [conflict]
    assert journal.annotations_of("R2")[0].label == "vessel"
    # Whoever merges the other way round keeps his own, too, and nobody is overruled in silence.
    assert _merge(other, journal).conflicts[0].changes
    assert other.get(draw("a").id).label == "vessel"


def test_a_decision_ends_a_conflict_on_both_sides(
    journal: Journal, other: Journal, draw: Draw
) -> None:
    for one, author, label in ((journal, "R1", "stroma"), (other, "R2", "vessel")):
        one.propose([draw()])
        one.correct(draw().id, author=author, label=label)
    (conflict,) = _merge(journal, other).conflicts
    taken = journal.restore_edit(conflict.seq, author="A1")
    assert (taken.label, taken.author) == ("vessel", "A1")
    assert open_conflicts(journal) == []
    report = _merge(other, journal)
    assert (report.new, report.conflicts) == (2, ())
    assert other.get(draw().id) == taken
    # And from there on both go on together.
    other.correct(draw().id, author="R2", label="dcis")
    assert _merge(journal, other).conflicts == ()
    assert journal.annotations() == other.annotations()


def test_what_one_side_deleted_and_the_other_judged_is_a_conflict(
    journal: Journal, other: Journal, draw: Draw
) -> None:
    for one in (journal, other):
        one.propose([draw()])
    journal.validate([draw().id], author="R1")
    other.delete([draw().id], author="R2")
    (conflict,) = _merge(journal, other).conflicts
    assert (conflict.theirs, conflict.changes) == (None, ("removed",))
    assert journal.get(draw().id).status is Status.VALIDATED


def test_slides_that_are_not_here_are_named_and_nothing_enters(
    journal: Journal, other: Journal, draw: Draw
) -> None:
    other.propose([draw("known"), draw("strange", slide_id="F" * 16)])
    with pytest.raises(AnnotationError, match=r"not in this study; found F{16}\. Remedy: add"):
        _merge(journal, other)
    assert list(journal.events()) == []


def test_a_merge_that_is_refused_by_the_database_enters_nothing(
    place: Path | str, other: Journal, draw: Draw
) -> None:
    other.propose([draw(f"{number}") for number in range(10)])
    with Journal(place) as journal:
        journal.propose([draw("ours")])
        with other.database.writing() as connection:
            connection.exec_driver_sql("DROP TRIGGER no_update")
            connection.exec_driver_sql("UPDATE events SET geometry = x'01' WHERE seq = 10")
        with pytest.raises(AnnotationError, match="edit 10: the journal is damaged"):
            _merge(journal, other)
        assert len(list(journal.events())) == 1


def test_a_colleagues_study_or_file_is_read_and_left_as_it_is(
    study: Study, tmp_path: Path, draw: Draw, journal: Journal
) -> None:
    with Journal.open(study) as theirs:
        theirs.propose([draw()])
    before = study.journal_path.read_bytes()
    for place in (study.path, study.journal_path):
        with colleagues_journal(place) as theirs:
            assert theirs.annotations() == [draw()]
            theirs.validate([draw().id], author="R9")  # into the copy, which is thrown away
    assert study.journal_path.read_bytes() == before
    lone = shutil.copy(study.journal_path, tmp_path / "journal from R2.sqlite")
    with colleagues_journal(Path(lone)) as theirs:
        assert merge_journal(journal, theirs, {SLIDE}).new == 1


@pytest.mark.parametrize("made", ["absent", "text", "photo.sqlite"])
def test_what_is_no_journal_is_refused(tmp_path: Path, made: str) -> None:
    path = tmp_path / made
    if made != "absent":
        path.write_bytes(b"this is no database at all " * 100)
    expected = MissingFileError if made == "absent" else AnnotationError
    with pytest.raises(expected, match=made), colleagues_journal(path):
        pass
    assert not (tmp_path / f"{made}-wal").exists()
