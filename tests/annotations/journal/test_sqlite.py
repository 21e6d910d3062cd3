"""A journal in a SQLite file: what can befall the file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from shapely import box

from pathoai.errors import AnnotationError, BusyError, StorageError
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def test_ten_thousand_proposals_are_one_transaction(tmp_path: Path, draw: Draw) -> None:
    batch = [draw(f"{i}", geometry=box(i, 0, i + 1, 1)) for i in range(10_000)]
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        # The last of them is refused by the database itself, after all others were inserted.
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(
                "CREATE TRIGGER refuse_last BEFORE INSERT ON events "
                f"WHEN NEW.annotation_id = '{batch[-1].id}' "
                "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            )
        with pytest.raises(AnnotationError, match="refused the edit; found not this one"):
            journal.propose(batch)
        assert journal.counts()[Status.PROPOSED] == 0
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TRIGGER refuse_last")
        assert journal.propose(batch) == 10_000
        assert journal.propose(batch) == 0
        journal.validate((a.id for a in batch), author="R1")
        assert journal.counts()[Status.VALIDATED] == 10_000
        region = Region(5000, 0, 10, 1)
        assert len(journal.annotations(region=region)) == 12


def test_numbers_of_edits_are_never_given_twice(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.propose([draw("a"), draw("b")])
        # Even for someone who takes the triggers away, so that a past state stays the same.
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TRIGGER no_delete")
            other.execute("DELETE FROM events WHERE seq = 2")
        journal.propose([draw("c")])
        assert [e.seq for e in journal.events()] == [1, 3]


def test_an_edit_is_in_the_file_when_the_call_returns(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a folder with ? # & signs"
    path.mkdir()
    path /= "journal ?mode=ro#.sqlite"
    with Journal(path) as first, Journal(path) as second:
        first.propose([draw()])
        assert second.annotations() == [draw()]
        second.validate([draw().id], author="R1")
        assert first.get(draw().id).status is Status.VALIDATED
    with Journal(path) as again:
        assert len(list(again.events())) == 2


def test_the_journal_of_a_study_lies_in_its_folder(study: Study, draw: Draw) -> None:
    with Journal.open(study) as journal:
        journal.propose([draw()])
    assert study.journal_path.is_file()
    with Journal(study.journal_path) as journal:
        assert len(journal.annotations()) == 1


def test_a_journal_of_a_newer_pathoai_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AnnotationError, match=r"newer pathoai.*Remedy: upgrade pathoai"):
        Journal(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database at all " * 1000)
    with pytest.raises(AnnotationError, match=r"journal.sqlite: the journal is damaged.*backup"):
        Journal(path)
    assert path.read_bytes().startswith(b"no database")


def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE patients (name TEXT)")
    with pytest.raises(AnnotationError, match="not a journal"):
        Journal(path)
    with closing(sqlite3.connect(path)) as other:
        names = other.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("patients",)]


def test_pages_overwritten_later_are_refused(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.propose(draw(f"{i}") for i in range(200))
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match="damaged"):
        Journal(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("geometry", b"\x01\x02"),
        ("origin", "nobody"),
        ("status", "perhaps"),
        ("annotation_id", "7"),
        ("slide_id", "DOE_Jane"),
    ],
)
def test_a_damaged_edit_is_named(
    tmp_path: Path, journal: Journal, draw: Draw, column: str, value: str | bytes
) -> None:
    journal.propose([draw()])
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as other, other:
        other.execute("DROP TRIGGER no_update")
        other.execute(f"UPDATE events SET {column} = ?", [value])
    with pytest.raises(AnnotationError, match=r"edit 1: the journal is damaged.*backup"):
        journal.annotations()


@pytest.mark.parametrize("place", ["file/journal.sqlite", "absent/journal.sqlite", "folder"])
def test_a_place_that_cannot_hold_a_journal_is_a_storage_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"cannot be written or read.*Remedy"):
        Journal(tmp_path / place)


def test_who_waits_too_long_is_told_so_and_no_lock_is_named(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        journal.database.wait_at_most(0.2)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="are writing to the journal all the time") as raised:
            journal.propose([draw()])
        assert "no turn for 0.2 seconds" in str(raised.value)
        assert "lock" not in str(raised.value)
        other.execute("ROLLBACK")
        assert journal.propose([draw()]) == 1


def test_who_is_to_wait_for_a_moment_waits_no_longer(tmp_path: Path, draw: Draw) -> None:
    """Also behind one who waits himself, and on connections that were made before."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal, Journal(path) as second:
        assert journal.propose([draw()]) == 1
        for one in (journal, second):
            one.database.wait_at_most(0.3)
        with second.database.writing():
            started = time.monotonic()
            with pytest.raises(BusyError):
                journal.propose([draw()])
        with FileLock(path.with_name(f".{path.name}.lock")), pytest.raises(BusyError):
            journal.propose([draw()])
        assert time.monotonic() - started < 5
        assert journal.propose([draw("b")]) == 1


def test_a_journal_opens_and_is_read_while_another_program_is_writing(
    tmp_path: Path, journal: Journal, draw: Draw
) -> None:
    journal.propose([draw()])
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with Journal(path) as second:
            assert second.annotations() == [draw()]
        assert time.monotonic() - started < 10
        other.execute("ROLLBACK")
