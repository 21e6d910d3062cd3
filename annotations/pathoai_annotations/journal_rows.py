"""Annotations as rows of the journal's table, and back."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import shapely
import sqlalchemy as sa
from sqlalchemy.orm import Session

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal_schema import EventRow

_IDS_PER_QUERY = 500


def latest_states(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Annotation]:
    """The present state of the annotations that are known."""
    return states_of(session, ids, sa.func.max)


def states_of(
    session: Session, ids: Sequence[uuid.UUID], which: Callable[..., Any]
) -> dict[uuid.UUID, Annotation]:
    """One state of each annotation that is known.

    Args:
        session: Within a transaction.
        ids: Annotations; unknown ones are left out.
        which: ``sa.func.max`` for the last edit, ``sa.func.min`` for the first.
    """
    states: dict[uuid.UUID, Annotation] = {}
    # SQLite bounds the number of parameters of a query.
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = [str(i) for i in ids[start : start + _IDS_PER_QUERY]]
        chosen = (
            sa.select(which(EventRow.seq))
            .where(EventRow.annotation_id.in_(part))
            .group_by(EventRow.annotation_id)
        )
        for row in session.scalars(sa.select(EventRow).where(EventRow.seq.in_(chosen))):
            states[uuid.UUID(row.annotation_id)] = state_in(row)
    return states


def latest_rows(
    slide_id: str | None = None,
    *,
    status: Collection[Status] | None = None,
    region: Region | None = None,
    at_seq: int | None = None,
) -> sa.Select[Any]:
    """The query for the last edit of each annotation, in the order of their first ones.

    Args:
        slide_id: Only of this slide.
        status: Only of these.
        region: Only those whose bounds touch this rectangle, level-0 pixels.
        at_seq: After that edit and none later.
    """
    row, latest = EventRow, sa.func.max(EventRow.seq).label("latest")
    inner = sa.select(latest, sa.func.min(EventRow.seq).label("first"))
    inner = inner.group_by(EventRow.annotation_id)
    if slide_id is not None:
        inner = inner.where(row.slide_id == slide_id)
    if at_seq is not None:
        inner = inner.where(row.seq <= at_seq)
    last = inner.subquery()
    query = sa.select(row).join(last, row.seq == last.c.latest).order_by(last.c.first)
    if status is not None:
        query = query.where(row.status.in_([s.value for s in status]))
    if region is not None:
        query = query.where(
            row.min_x <= region.right,
            row.max_x >= region.x,
            row.min_y <= region.bottom,
            row.max_y >= region.y,
        )
    return query


def required_states(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Annotation]:
    """The present state of annotations.

    Raises:
        AnnotationError: One is unknown.
    """
    states = latest_states(session, ids)
    missing = [str(i) for i in ids if i not in states]
    if missing:
        raise AnnotationError("unknown annotation", found=", ".join(missing[:3]))
    return states


def is_same(new: Annotation, known: Annotation) -> bool:
    """True where both are the same outline of the same class on the same slide."""
    same_place = new.slide_id == known.slide_id and new.geometry.equals(known.geometry)
    return same_place and new.label == known.label


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


def append_events(
    session: Session, operation: str, annotations: Sequence[Annotation], tool: str
) -> None:
    """Append one edit per annotation, all at the same moment."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    rows = []
    for a in annotations:
        min_x, min_y, max_x, max_y = a.geometry.bounds
        rows.append(
            {
                "at": at,
                "author": a.author,
                "tool": tool,
                "operation": operation,
                "annotation_id": str(a.id),
                "slide_id": a.slide_id,
                "label": a.label,
                "geometry": shapely.to_wkb(a.geometry),
                "min_x": min_x,
                "min_y": min_y,
                "max_x": max_x,
                "max_y": max_y,
                "origin": a.origin.value,
                "status": a.status.value,
                "confidence": a.confidence,
                "derived_from": a.derived_from,
            }
        )
    if rows:
        session.execute(sa.insert(EventRow), rows)


def state_in(row: EventRow) -> Annotation:
    """The annotation as it was after an edit."""
    try:
        return Annotation(
            uuid.UUID(row.annotation_id),
            row.slide_id,
            row.label,
            shapely.from_wkb(row.geometry),
            Origin(row.origin),
            row.author,
            Status(row.status),
            row.confidence,
            row.derived_from,
        )
    except (AnnotationError, ValueError, TypeError, shapely.errors.ShapelyError) as error:
        raise AnnotationError(
            "the journal is damaged",
            where=f"edit {row.seq}",
            found=str(error),
            remedy="restore it from your backup",
        ) from error
