"""A journal's file that may only be read: all of it is seen, nothing is written, nor made."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pathoai.errors import AnnotationError, ReadOnlyError, StorageError
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal import open_database
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import colleagues_journal
from tests.read_only_place import contents, read_only

Draw = Callable[..., Annotation]


@pytest.fixture(autouse=True)
def temporary(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A temporary folder of the test's own, in which nothing stays."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For a journal."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def place(folder: Path, draw: Draw) -> Path:
    """A journal of two proposals, one of them validated; all of it is in the file."""
    path = folder / "journal.sqlite"
    with Journal(path) as journal:
        journal.propose([draw("a"), draw("b")])
        journal.validate([draw("a").id], author="R1")
    assert not path.with_name("journal.sqlite-wal").exists()
    return path


def _cut_short(place: Path, draw: Draw, *kinds: str) -> None:
    """Leave the journal as a power cut or a snapshot does while it is written: ``c`` in the log."""
    kept = place.parent.parent / "kept"
    kept.mkdir()
    with Journal(place) as journal:
        journal.propose([draw("c")])
        for kind in ("", *kinds):
            shutil.copy(f"{place}{kind}", kept)
    for file in kept.iterdir():
        shutil.copy(file, place.parent)
    with closing(sqlite3.connect(f"{place.as_uri()}?immutable=1", uri=True)) as alone:
        # What a reader would see who leaves the log out.
        assert alone.execute("SELECT count(*) FROM events").fetchone() == (3,)


def test_a_journal_at_rest_is_read_from_a_copy(place: Path, draw: Draw, temporary: Path) -> None:
    before = contents(place.parent)
    with read_only(place.parent), Journal(place) as journal:
        assert [path.stat().st_mode & 0o777 for path in temporary.iterdir()] == [0o700]
        assert [a.status for a in journal.annotations()] == [Status.VALIDATED, Status.PROPOSED]
        assert journal.counts()[Status.PROPOSED] == 1
        assert check_journal(journal).edits == 3
    assert contents(place.parent) == before


def test_every_edit_is_refused(place: Path, draw: Draw) -> None:
    with read_only(place.parent), Journal(place) as journal:
        for edit in (
            lambda: journal.propose([draw("c")]),
            lambda: journal.comment("unclear", slide_id=draw("a").slide_id, author="R1"),
            journal.rebuild_present,
            journal.database.scrub,
        ):
            with pytest.raises(ReadOnlyError, match=r"may only be read here\. Remedy: make the"):
                edit()
        assert len(list(journal.events())) == 3


def test_edits_in_a_log_without_its_map_are_seen(place: Path, draw: Draw) -> None:
    _cut_short(place, draw, "-wal")
    before = contents(place.parent)
    with read_only(place.parent), Journal(place) as journal:
        assert journal.get(draw("c").id) == draw("c")
        assert check_journal(journal).edits == 4
    assert contents(place.parent) == before


def test_edits_in_a_log_with_its_map_are_read_in_place(
    place: Path, draw: Draw, temporary: Path
) -> None:
    _cut_short(place, draw, "-wal", "-shm")
    before = contents(place.parent)
    with read_only(place.parent), Journal(place) as journal:
        assert journal.get(draw("c").id) == draw("c")
        assert not list(temporary.iterdir())
        with pytest.raises(ReadOnlyError, match="may only be read here"):
            journal.propose([draw("d")])
    assert contents(place.parent) == before


_WRITER = """
import sys
from pathlib import Path
from pathoai_annotations.journal.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    for text in ("first", "second"):
        sys.stdin.readline()
        journal.comment(text, slide_id=sys.argv[2], author="R2")
        print(text, flush=True)
    sys.stdin.readline()
"""


def test_what_another_program_writes_meanwhile_is_seen(place: Path, draw: Draw) -> None:
    words = (sys.executable, "-c", _WRITER, str(place), draw("a").slide_id)
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:

        def write() -> None:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
            assert writer.stdout.readline()

        write()
        with read_only(place.parent):
            journal = Journal(place)
            assert [e.comment for e in journal.events(since_seq=3)] == ["first"]
        write()
        assert [e.comment for e in journal.events(since_seq=3)] == ["first", "second"]
        with pytest.raises(ReadOnlyError):
            journal.comment("third", slide_id=draw("a").slide_id, author="R1")
        journal.close()
        writer.communicate("\n")
    with Journal(place) as again:
        assert len(list(again.events())) == 5


def test_a_log_that_may_not_be_read_is_never_left_out(place: Path, draw: Draw) -> None:
    _cut_short(place, draw, "-wal")
    place.with_name("journal.sqlite-wal").chmod(0)
    refusal = r"sqlite-wal: the journal cannot be read.*Remedy"
    with read_only(place.parent), pytest.raises(StorageError, match=refusal):
        Journal(place)


def test_where_nothing_was_said_nothing_is_found_and_nothing_made(folder: Path, draw: Draw) -> None:
    with read_only(folder), Journal(folder / "journal.sqlite") as journal:
        assert journal.annotations() == []
        with pytest.raises(ReadOnlyError):
            journal.propose([draw()])
    assert not list(folder.iterdir())


def test_an_older_journal_is_refused_and_left_as_it_is(folder: Path) -> None:
    path = folder / "old.sqlite"
    with Journal(path) as journal, journal.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    before = contents(folder)
    with (
        read_only(folder),
        pytest.raises(
            AnnotationError, match=r"an older pathoai, and may only be read here.*found schema 0002"
        ),
    ):
        Journal(path)
    assert contents(folder) == before


def test_another_programs_file_is_refused(folder: Path) -> None:
    path = folder / "journal.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with read_only(folder), pytest.raises(AnnotationError, match="the journal is damaged"):
        Journal(path)


def test_a_file_that_others_write_is_copied_again(
    place: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied_while_written(source: Path, target: Path) -> None:
        copies.append(target)
        target.write_bytes(source.read_bytes())
        if len(copies) <= disturbed:
            source.write_bytes(source.read_bytes() + b"\0" * len(copies))

    copies: list[Path] = []
    monkeypatch.setattr(shutil, "copyfile", copied_while_written)
    monkeypatch.setattr(open_database, "may_be_written", lambda path: False)
    content = place.read_bytes()
    disturbed = 1
    with Journal(place) as journal:
        assert len(copies) == 2
        assert len(journal.annotations()) == 2
    place.write_bytes(content)
    disturbed = 100
    with pytest.raises(StorageError, match=r"others write to the journal.*when they are done"):
        Journal(place)


def test_where_it_cannot_be_told_beforehand_sqlite_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_database, "may_be_written", lambda path: True)
    with read_only(place.parent), Journal(place) as journal:
        assert journal.database.is_read_only
        assert len(journal.annotations()) == 2
    absent = place.with_name("absent.sqlite")
    with read_only(place.parent), pytest.raises(ReadOnlyError, match="cannot be written or read"):
        Journal(absent)


@pytest.mark.parametrize("kinds", [(), ("-wal",), ("-wal", "-shm")])
def test_a_colleagues_journal_is_merged_whole(
    place: Path, draw: Draw, kinds: tuple[str, ...]
) -> None:
    if kinds:
        _cut_short(place, draw, *kinds)
    with read_only(place.parent), colleagues_journal(place) as theirs:
        assert len(list(theirs.events())) == (4 if kinds else 3)


def test_a_study_that_may_only_be_read_enters_no_edits_in_its_trail(
    study: Study, draw: Draw, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(study) as journal:
        journal.propose([draw()])
    with read_only(study.path), Journal.open(study) as journal:
        assert len(journal.annotations()) == 1
        assert journal.edit_trail is None
    assert capsys.readouterr().err == ""
