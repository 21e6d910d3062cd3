"""Bringing past states back, as new edits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.append import append_states
from pathoai_annotations.journal.edit import Edit
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.history import past_rows, seq_at
from pathoai_annotations.journal.rows import STATE, states_in
from pathoai_annotations.journal.schema import events
from pathoai_annotations.journal.states import (
    in_parts,
    present_rows,
    states_now,
)


def restore_states(
    connection: sa.Connection,
    at: datetime | str | int,
    edit: Edit,
    *,
    ids: Sequence[uuid.UUID] | None = None,
    slide_id: str | None = None,
) -> list[Annotation]:
    """Make annotations what they were; who restores stands behind it.

    Args:
        connection: Within a transaction that writes.
        at: A moment with its time zone, or the number of an edit.
        edit: By whom.
        ids: Which annotations; each must have been there.
        slide_id: All of this slide instead: those that were not there then are deleted.

    Raises:
        AnnotationError: One of ``ids`` was not there.
        InvalidValueError: The moment has no time zone.
    """
    at_seq = at if isinstance(at, int) else seq_at(connection, at)
    then = _past(connection, at_seq, ids, slide_id)
    missing = [str(one) for one in ids or () if one not in then]
    if missing:
        raise AnnotationError(
            "the annotation was not there then",
            found=", ".join(missing[:3]),
            remedy="see `pathoai annotations log STUDY --annotation ID`",
        )
    now = _present(connection, list(then), slide_id)
    restored = [
        replace(state, author=edit.author)
        for one, state in then.items()
        if one not in now or not _is_alike(state, now[one])
    ]
    gone = [replace(now[one], author=edit.author) for one in now if one not in then]
    append_states(connection, Operation.RESTORE, restored, edit.columns)
    append_states(connection, Operation.DELETE, gone, edit.columns)
    return restored + gone


def restore_edit(connection: sa.Connection, seq: int, edit: Edit) -> Annotation:
    """Make an annotation what it was after one edit.

    Args:
        connection: Within a transaction that writes.
        seq: Number of the edit.
        edit: By whom.

    Raises:
        AnnotationError: There is no such edit of an annotation.
    """
    is_it = events.c.seq == seq, events.c.geometry.is_not(None)
    states = states_in(connection.execute(sa.select(*STATE).where(*is_it)).all())
    if not states:
        raise AnnotationError(
            "no edit of an annotation has this number",
            found=seq,
            remedy="see `pathoai annotations log STUDY`",
        )
    restored = replace(states[0], author=edit.author)
    append_states(connection, Operation.RESTORE, [restored], edit.columns)
    return restored


def _past(
    connection: sa.Connection, at_seq: int, ids: Sequence[uuid.UUID] | None, slide_id: str | None
) -> dict[uuid.UUID, Annotation]:
    parts = [None] if ids is None else in_parts([str(one) for one in ids])
    queries = (past_rows(at_seq, slide_id=slide_id, ids=part) for part in parts)
    found = (states_in(connection.execute(query).all()) for query in queries)
    return {state.id: state for states in found for state in states}


def _present(
    connection: sa.Connection, ids: Sequence[uuid.UUID], slide_id: str | None
) -> dict[uuid.UUID, Annotation]:
    if slide_id is None:
        return states_now(connection, ids)
    found = connection.execute(present_rows(STATE, slide_id=slide_id)).all()
    return {state.id: state for state in states_in(found)}


def _is_alike(one: Annotation, other: Annotation) -> bool:
    """True where they differ in nothing but in who said so."""
    return replace(one, author=other.author) == other
