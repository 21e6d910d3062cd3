"""The table of present states: made from the log, kept with it, and checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pathoai_annotations.journal.bulk import insert_rows, update_rows
from pathoai_annotations.journal.cells import cells_of
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.schema import DELETED, current_annotations, events

_BOX = ("min_x", "min_y", "max_x", "max_y")
_FROM_LOG = ("annotation_id", "seq", "slide_id", *_BOX)


def insert_current(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Enter annotations that are new.

    Args:
        connection: Within a transaction that writes.
        rows: Of the log, one per annotation.
    """
    found = [current | {"first_seq": current["seq"]} for current in _of_log(rows)]
    insert_rows(connection, current_annotations, found)


def update_current(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Say what known annotations are after an edit.

    Args:
        connection: Within a transaction that writes.
        rows: Of the log, one per annotation.
    """
    update_rows(connection, current_annotations, "annotation_id", _of_log(rows))


def rebuild_current(connection: sa.Connection) -> None:
    """Make the whole table again from the log."""
    connection.execute(sa.delete(current_annotations))
    insert_rows(connection, current_annotations, _expected(connection))


def differences_from_log(connection: sa.Connection) -> list[str]:
    """Ids of the annotations of which the table does not say what the log says."""
    table = current_annotations
    kept = {
        row["annotation_id"]: dict(row) for row in connection.execute(sa.select(table)).mappings()
    }
    expected = {row["annotation_id"]: row for row in _expected(connection)}
    return sorted(i for i in kept.keys() | expected.keys() if kept.get(i) != expected.get(i))


def _expected(connection: sa.Connection) -> list[dict[str, Any]]:
    ends = (
        sa.select(
            sa.func.max(events.c.seq).label("seq"), sa.func.min(events.c.seq).label("first_seq")
        )
        .where(events.c.stands)
        .group_by(events.c.annotation_id)
        .subquery()
    )
    names = (*_FROM_LOG, "operation", "status")
    query = sa.select(*(events.c[name] for name in names), ends.c.first_seq).join(
        ends, events.c.seq == ends.c.seq
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    first = [{"first_seq": row["first_seq"]} for row in rows]
    return [a | b for a, b in zip(_of_log(rows), first, strict=True)]


def _of_log(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the table holds of edits, all but by which edit an annotation came."""
    bounds = np.array([[row[name] for name in _BOX] for row in rows], np.float64).reshape(-1, 4)
    cells = cells_of(bounds).tolist()
    return [
        {name: row[name] for name in _FROM_LOG} | {"cell": cell, "status": _status(row)}
        for row, cell in zip(rows, cells, strict=True)
    ]


def _status(row: Mapping[str, Any]) -> str:
    return DELETED if row["operation"] == Operation.DELETE else str(row["status"])
