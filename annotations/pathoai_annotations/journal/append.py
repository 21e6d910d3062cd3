"""Entering edits: the only code that adds to the log."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.bulk import insert_rows
from pathoai_annotations.journal.current import insert_current, update_current
from pathoai_annotations.journal.event import Operation, proposal_event_id
from pathoai_annotations.journal.rows import state_columns
from pathoai_annotations.journal.schema import current_annotations, events

_BLANK: dict[str, Any] = dict.fromkeys(events.c.keys())


def append_states(
    connection: sa.Connection,
    operation: Operation,
    annotations: Sequence[Annotation],
    about: Mapping[str, Any],
) -> None:
    """Enter one edit per annotation, all at the same moment.

    Args:
        connection: Within a transaction that writes.
        operation: ``propose`` for annotations that are new; none of the others may be.
        annotations: As they are after the edit, or, for ``delete``, were before it.
        about: Columns of the edit.
    """
    if not annotations:
        return
    rows = [
        {**_BLANK, **about, **state, "operation": operation.value, "stands": True}
        for state in state_columns(annotations)
    ]
    for row in rows:
        row["event_id"] = str(_event_id(row))
    append_rows(connection, rows)
    (insert_current if operation is Operation.PROPOSE else update_current)(connection, rows)


def append_remark(
    connection: sa.Connection, operation: Operation, slide_id: str, about: Mapping[str, Any]
) -> None:
    """Enter what changes no annotation: about a slide, or a comment.

    Args:
        connection: Within a transaction that writes.
        operation: What was done.
        slide_id: Of the slide.
        about: Other columns.
    """
    row = {**_BLANK, **about, "slide_id": slide_id, "operation": operation.value, "stands": False}
    row["event_id"] = str(uuid.uuid4())
    append_rows(connection, [row])


def append_rows(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Enter rows of the log; fill in their ``seq`` and, where they have none, their times."""
    last_at = sa.select(events.c.at).order_by(events.c.seq.desc()).limit(1)
    numbers = (sa.select(sa.func.max(t.c.seq)) for t in (events, current_annotations))
    ends = sa.select(last_at.scalar_subquery(), *(n.scalar_subquery() for n in numbers))
    latest, last_seq, newest = connection.execute(ends).one()
    # A number is never given twice, even if someone broke the log's end off. Nor does time go back
    # with a clock that was put right: a moment means the same edits for ever.
    first = max(last_seq or 0, newest or 0) + 1
    at = max(datetime.now(UTC).isoformat(timespec="milliseconds"), latest or "")
    for seq, row in enumerate(rows, start=first):
        row["seq"], row["at"] = seq, row["at"] or at
        row["made_at"] = row["made_at"] or row["at"]
    insert_rows(connection, events, rows)


def _event_id(row: Mapping[str, Any]) -> uuid.UUID:
    if row["operation"] != Operation.PROPOSE:
        return uuid.uuid4()
    return proposal_event_id(row["annotation_id"], row["slide_id"], row["label"], row["geometry"])
