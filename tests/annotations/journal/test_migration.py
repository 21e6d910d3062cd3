"""Journals of an older pathoai are brought up to date, whole or not at all."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shapely
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.current import rebuild_current
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.journal.open_database import open_database
from pathoai_annotations.journal.prepare import MIGRATIONS, prepare
from pathoai_annotations.journal.schema import REVISION

Draw = Callable[..., Annotation]

# As pathoai wrote it before there were revisions.
FIRST_SCHEMA = """
CREATE TABLE events (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at VARCHAR NOT NULL, author VARCHAR NOT NULL,
    tool VARCHAR NOT NULL, operation VARCHAR NOT NULL, annotation_id VARCHAR NOT NULL,
    slide_id VARCHAR NOT NULL, label VARCHAR NOT NULL, geometry BLOB NOT NULL,
    min_x FLOAT NOT NULL, min_y FLOAT NOT NULL, max_x FLOAT NOT NULL, max_y FLOAT NOT NULL,
    origin VARCHAR NOT NULL, status VARCHAR NOT NULL, confidence FLOAT, derived_from VARCHAR
);
CREATE INDEX events_by_annotation ON events (annotation_id, seq);
CREATE INDEX events_by_slide ON events (slide_id, seq);
CREATE TRIGGER no_update BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_replace BEFORE INSERT ON events WHEN NEW.seq IN (SELECT seq FROM events)
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
PRAGMA user_version = 1;
"""
KILLED_AT = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from pathoai_annotations.journal.journal import Journal

number = 0

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(*_):
    global number
    number += 1
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

Journal(Path(sys.argv[1])).close()
print(number)
"""


@pytest.fixture
def old(tmp_path: Path, draw: Draw) -> Path:
    """A journal of the first schema: six proposals, one of them validated, by a clock put back."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("PRAGMA journal_mode = WAL;" + FIRST_SCHEMA)
        for number in range(6):
            _insert(connection, draw(f"{number}", confidence=0.5), "propose", f"12:00:0{number}")
        _insert(connection, draw("3", confidence=0.5), "validate", "11:00:00", status="validated")
    return path


@pytest.fixture
def second(old: Path) -> Path:
    """The same journal as the second schema had it, by a pathoai that knew no third."""
    database = open_database(old)
    with database.writing() as connection:
        command.stamp(_config(connection), "0001")
        command.upgrade(_config(connection), "0002")
        rebuild_current(connection)
        database.note_schema(connection)
    database.close()
    return old


def _insert(
    connection: sqlite3.Connection,
    annotation: Annotation,
    operation: str,
    time: str,
    status: str = "proposed",
) -> None:
    a, at = annotation, f"2026-05-01T{time}.000+00:00"
    text = (at, a.author, "pathoai 0.1", operation, str(a.id), a.slide_id, a.label)
    values = (*text, shapely.to_wkb(a.geometry), *a.geometry.bounds)
    values += (a.origin.value, status, a.confidence, a.derived_from)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO events VALUES (NULL, {marks})", values)


def test_a_journal_of_the_first_schema_is_brought_up_to_date(old: Path, draw: Draw) -> None:
    with Journal(old) as journal:
        events = list(journal.events())
        assert [e.seq for e in events] == list(range(1, 8))
        assert [e.state for e in events][:6] == [draw(f"{n}", confidence=0.5) for n in range(6)]
        assert [e.operation for e in events] == ["propose"] * 6 + ["validate"]
        assert all(e.stands for e in events)
        # Time goes on where the clock did not; when each was made stays.
        assert events[6].at == events[5].at > events[6].made_at
        assert journal.get(draw("3").id).status is Status.VALIDATED
        check_journal(journal)
        journal.reject([draw("0").id], author="R2")
        with pytest.raises(AnnotationError, match="append-only"), journal.database.writing() as c:
            c.execute(sa.text("DELETE FROM events"))
    with Journal(old) as journal:
        assert len(list(journal.events())) == 8


def test_copies_that_were_brought_up_to_date_apart_have_the_same_edits(
    old: Path, draw: Draw, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(old, tmp_path / "copy.sqlite"))
    with Journal(old) as one, Journal(copy) as two:
        report = merge_journal(one, two, {draw().slide_id})
    assert (report.new, report.known, report.conflicts) == (0, 7, ())


def _upgrade_killed_at(path: Path, at: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", KILLED_AT, str(path), str(at)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("made", "least", "version"), [("old", 20, 1), ("second", 10, 2)])
def test_an_upgrade_that_is_killed_anywhere_leaves_the_journal_whole(
    request: pytest.FixtureRequest, tmp_path: Path, made: str, least: int, version: int
) -> None:
    begun = request.getfixturevalue(made)
    whole = _upgrade_killed_at(Path(shutil.copy(begun, tmp_path / "whole.sqlite")), -1)
    statements = int(whole.stdout)
    assert statements > least
    for at in (statements // 3, statements * 2 // 3, statements):
        path = Path(shutil.copy(begun, tmp_path / f"killed-{at}.sqlite"))
        before = _contents(path)
        assert _upgrade_killed_at(path, at).returncode == -signal.SIGKILL
        assert _contents(path) == before
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (7,)
        with Journal(path) as journal:
            assert len(list(journal.events())) == 7
            check_journal(journal)


def _contents(path: Path) -> list[str]:
    """All there is in the file, as statements."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_journal_of_the_second_schema_is_brought_up_to_date(second: Path, draw: Draw) -> None:
    copy = Path(shutil.copy(second, second.with_name("copy.sqlite")))
    with Journal(second) as journal:
        assert [e.seq for e in journal.events()] == list(range(1, 8))
        assert {e.action for e in journal.events()} == {None}
        check_journal(journal)
        # What was done before actions had names is not undone, but what is done from now on.
        slide_id = draw().slide_id
        assert journal.undo(slide_id, author="R1") is None
        journal.reject([draw("3").id], author="R1")
        assert journal.undo(slide_id, author="R1") is not None
        assert journal.get(draw("3").id).status is Status.VALIDATED
        with Journal(copy) as other:
            assert (merge_journal(other, journal, {slide_id}).new, len(journal.annotations())) == (
                2,
                6,
            )


def test_the_migrations_make_what_a_new_journal_is_made_of(place: Path | str) -> None:
    """On both databases: column by column, index by index, and both forbid to change the log."""
    made, migrated = open_database(place), open_database(place)
    prepare(made)
    expected = _description(made.reading)
    with made.writing() as connection:
        for table in ("events", "current_annotations", "alembic_version"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("DROP FUNCTION refuse_change_of_events"))
    with migrated.writing() as connection:
        command.upgrade(_config(connection), "head")
    assert _description(migrated.reading) == expected
    made.close()
    migrated.close()


def test_the_newest_migration_is_the_schema_of_this_pathoai() -> None:
    assert ScriptDirectory.from_config(_config(None)).get_current_head() == REVISION


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _description(reading: Callable[[], object]) -> object:
    triggers = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = current_schema()",
    }
    with reading() as connection:  # type: ignore[attr-defined]  # a context manager
        inspector = sa.inspect(connection)
        tables = {
            name: (
                {
                    column["name"]: (str(column["type"]), column["nullable"])
                    for column in inspector.get_columns(name)
                },
                inspector.get_pk_constraint(name)["constrained_columns"],
                sorted(
                    (i["name"], i["column_names"], _rows_of(i)) for i in inspector.get_indexes(name)
                ),
                [u["column_names"] for u in inspector.get_unique_constraints(name)],
            )
            for name in sorted(inspector.get_table_names())
        }
        rows = connection.execute(sa.text(triggers[connection.dialect.name]))
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return tables, sorted(tuple(row) for row in rows), version


def _rows_of(index: Any) -> str:  # noqa: ANN401 - as the inspector describes it
    """Which rows are in an index, where not all are."""
    options = index.get("dialect_options", {})
    return str(next((v for k, v in options.items() if k.endswith("_where")), ""))
