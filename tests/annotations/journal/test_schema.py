"""The database itself refuses to change the past, whatever program asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.schema import events

Draw = Callable[..., Annotation]

_COLUMNS = ", ".join(events.c.keys())
_RENUMBERED = _COLUMNS.replace("seq", "seq + 100", 1)
_STATEMENTS = {
    "update": "UPDATE events SET label = 'stroma'",
    "delete": "DELETE FROM events",
}
_SQLITE = {
    "replace by number": (
        f"INSERT OR REPLACE INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM events"
    ),
    "replace by identity": (
        f"INSERT OR REPLACE INTO events ({_COLUMNS}) SELECT {_RENUMBERED} FROM events"
    ),
}
_POSTGRESQL = {
    "truncate": "TRUNCATE events",
    "upsert": (
        f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM events"
        " ON CONFLICT (seq) DO UPDATE SET label = 'stroma'"
    ),
}


def test_no_statement_changes_a_row(journal: Journal, draw: Draw) -> None:
    journal.propose([draw("a")])
    before = list(journal.events())
    with journal.database.reading() as connection:
        own = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    for name, statement in (_STATEMENTS | own).items():
        with (
            pytest.raises(AnnotationError, match="append-only"),
            journal.database.writing() as connection,
        ):
            connection.execute(sa.text(statement))
        assert list(journal.events()) == before, name
