"""What annotations are now: looked up by identity, or by slide, status and place."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Container, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.cells import cells_touching
from pathoai_annotations.journal.rows import STATE, Row, states_in
from pathoai_annotations.journal.schema import DELETED, current_annotations, events

# SQLite bounds the number of parameters of a query.
_KEYS_PER_QUERY = 500
_NAMES_SHOWN = 3
_T = TypeVar("_T")


def present_rows(
    columns: Sequence[sa.ColumnElement[Any]],
    *,
    slide_id: str | None = None,
    status: Collection[Status] | None = None,
    region: Region | None = None,
) -> sa.Select[Any]:
    """The query for columns of the log about what is there now, in the order of its proposal.

    Args:
        columns: Of the log.
        slide_id: Only of this slide.
        status: Only of these.
        region: Only what touches this rectangle, level-0 pixels.
    """
    now = current_annotations
    admitted = [s.value for s in (Status if status is None else status)]
    query = sa.select(*columns).join(now, events.c.seq == now.c.seq)
    query = query.where(now.c.status.in_(admitted)).order_by(now.c.first_seq)
    here = sa.true() if slide_id is None else now.c.slide_id == slide_id
    if region is None:
        return query.where(here)
    ranges = (now.c.cell.between(first, last) for first, last in cells_touching(region))
    # The slide beside each range: SQLite else looks at all of the slide's cells.
    return query.where(sa.or_(*(sa.and_(here, one) for one in ranges)), touches(now, region))


def touches(table: sa.Table, region: Region) -> sa.ColumnElement[bool]:
    """True of rows whose bounds touch a rectangle, its edges included."""
    return sa.and_(
        table.c.min_x <= region.right,
        table.c.max_x >= region.x,
        table.c.min_y <= region.bottom,
        table.c.max_y >= region.y,
    )


def known_states(
    connection: sa.Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, Annotation]:
    """The last state of the annotations that are known, of deleted ones that before."""
    return _states(_rows(connection, ids, current_annotations.c.seq))


def first_states(
    connection: sa.Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, Annotation]:
    """What was proposed of the annotations that are known."""
    return _states(_rows(connection, ids, current_annotations.c.first_seq))


def states_now(connection: sa.Connection, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Annotation]:
    """The present state of the annotations that are there; not of deleted ones."""
    rows = _rows(connection, ids, current_annotations.c.seq)
    return _states([row for row in rows if row.status_now != DELETED])


def required_states(
    connection: sa.Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, Annotation]:
    """The present state of annotations.

    Raises:
        AnnotationError: One is unknown or deleted.
    """
    rows = _rows(connection, ids, current_annotations.c.seq)
    states = _states(rows)
    check_known(ids, states)
    deleted = sorted(row.annotation_id for row in rows if row.status_now == DELETED)
    if deleted:
        raise AnnotationError(
            "the annotation was deleted",
            found=", ".join(deleted[:_NAMES_SHOWN]),
            remedy="bring it back with `pathoai annotations restore`",
        )
    return states


def check_known(ids: Sequence[uuid.UUID], states: Container[uuid.UUID]) -> None:
    """Refuse ids of which there is no state.

    Raises:
        AnnotationError: There is one.
    """
    missing = [str(i) for i in ids if i not in states]
    if missing:
        raise AnnotationError("unknown annotation", found=", ".join(missing[:_NAMES_SHOWN]))


def _rows(
    connection: sa.Connection, ids: Sequence[uuid.UUID], which: sa.ColumnElement[int]
) -> list[Row]:
    now = current_annotations
    found: list[Row] = []
    query = sa.select(*STATE, now.c.status.label("status_now")).join(now, events.c.seq == which)
    for part in in_parts([str(one) for one in ids]):
        found += connection.execute(query.where(now.c.annotation_id.in_(part))).all()
    return found


def _states(rows: Sequence[Row]) -> dict[uuid.UUID, Annotation]:
    return {state.id: state for state in states_in(rows)}


def states_after(connection: sa.Connection, seqs: Sequence[int]) -> dict[int, Annotation]:
    """What annotations were after edits, by the numbers of the edits."""
    found: list[Row] = []
    for part in in_parts(seqs):
        found += connection.execute(sa.select(*STATE).where(events.c.seq.in_(part))).all()
    return dict(zip((row.seq for row in found), states_in(found), strict=True))


def in_parts(keys: Sequence[_T]) -> list[list[_T]]:
    """Ids or numbers of edits, as many at once as one query may name."""
    starts = range(0, len(keys), _KEYS_PER_QUERY)
    return [list(keys[start : start + _KEYS_PER_QUERY]) for start in starts]


def is_same(new: Annotation, known: Annotation) -> bool:
    """True where both are the same outline of the same class on the same slide."""
    if new is known:
        return True
    if (new.slide_id, new.label) != (known.slide_id, known.label):
        return False
    # Corner by corner first: that is far quicker, and mostly enough.
    return new.geometry == known.geometry or bool(new.geometry.equals(known.geometry))


def check_same(new: Annotation, known: Annotation) -> None:
    """Refuse another content under a known id, which would be lost otherwise.

    Raises:
        AnnotationError: It is another.
    """
    if not is_same(new, known):
        raise AnnotationError(
            "an annotation of that id is known with another content",
            where=new.id,
            remedy="correct the known one in `pathoai review`, or give the new one another id",
        )
