"""Entering the past of another journal into an empty one, with its times and its authors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai_annotations.journal.append import append_rows
from pathoai_annotations.journal.current import rebuild_current
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.rows import state_columns
from pathoai_annotations.journal.schema import events

_AT_ONCE = 256
_BLANK: dict[str, Any] = dict.fromkeys(events.c.keys())


def replay(journal: Journal, past: Iterable[Event]) -> int:
    """Enter edits that stand, and sign-offs, all or none.

    Args:
        journal: Empty.
        past: In the order in which they were made; each keeps time, author and identity, and is
            numbered anew.

    Returns:
        How many there were.

    Raises:
        AnnotationError: The journal is not empty.
    """
    count = 0
    with journal.database.writing() as connection:
        if connection.scalar(sa.select(sa.func.count()).select_from(events)):
            raise AnnotationError("the journal has a past of its own", where="journal")
        waiting = iter(past)
        while some := list(islice(waiting, _AT_ONCE)):
            append_rows(connection, _rows(some))
            count += len(some)
        rebuild_current(connection)
    return count


def _rows(past: Sequence[Event]) -> list[dict[str, Any]]:
    """Columns of edits that stand, and of what was said of slides."""
    edits = [event for event in past if event.annotation is not None]
    columns = dict(
        zip((e.event_id for e in edits), state_columns([e.state for e in edits]), strict=True)
    )
    return [
        {
            **_BLANK,
            **columns.get(event.event_id, _about_slide(event)),
            "operation": event.operation.value,
            "stands": event.stands,
            "at": event.at,
            "made_at": event.made_at,
            "tool": event.tool,
            "event_id": str(event.event_id),
        }
        for event in past
    ]


def _about_slide(event: Event) -> dict[str, Any]:
    return {
        "slide_id": event.slide_id,
        "author": event.author,
        "grade": event.grade,
        "with_model": event.with_model,
    }
