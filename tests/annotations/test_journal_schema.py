"""The database itself refuses to change the past, whatever program asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal import Journal

Draw = Callable[..., Annotation]

_COLUMNS = (
    "at, author, tool, operation, annotation_id, slide_id, label, geometry, min_x, min_y, max_x,"
    " max_y, origin, status, confidence, derived_from"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET label = 'stroma'",
        "DELETE FROM events",
        f"INSERT OR REPLACE INTO events (seq, {_COLUMNS}) SELECT seq, {_COLUMNS} FROM events",
    ],
    ids=["update", "delete", "replace"],
)
def test_no_statement_changes_a_row(
    journal: Journal, tmp_path: Path, draw: Draw, statement: str
) -> None:
    journal.propose([draw("a")])
    before = list(journal.events())
    connection = sqlite3.connect(tmp_path / "journal.sqlite")

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)

    connection.close()
    assert list(journal.events()) == before
