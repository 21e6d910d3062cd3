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

import pytest
import shapely
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.check import check_journal
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


def test_an_upgrade_that_is_killed_anywhere_leaves_the_journal_whole(
    old: Path, tmp_path: Path, draw: Draw
) -> None:
    def upgrade(path: Path, at: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", KILLED_AT, str(path), str(at)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    whole = upgrade(Path(shutil.copy(old, tmp_path / "whole.sqlite")), -1)
    statements = int(whole.stdout)
    assert statements > 20
    for at in (statements // 3, statements * 2 // 3, statements):
        path = Path(shutil.copy(old, tmp_path / f"killed-{at}.sqlite"))
        assert upgrade(path, at).returncode == -signal.SIGKILL
        with closing(sqlite3.connect(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            assert version == 1
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (7,)
        with Journal(path) as journal:
            assert len(list(journal.events())) == 7


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
                sorted((i["name"], i["column_names"]) for i in inspector.get_indexes(name)),
                [u["column_names"] for u in inspector.get_unique_constraints(name)],
            )
            for name in sorted(inspector.get_table_names())
        }
        rows = connection.execute(sa.text(triggers[connection.dialect.name]))
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return tables, sorted(tuple(row) for row in rows), version
