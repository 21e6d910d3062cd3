"""Annotations and events as rows of the log, and back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, region_in
from pathoai_annotations.journal.schema import events

Row = Any
"""A row of a query; releases of SQLAlchemy type them differently."""

STATE = (
    events.c.seq,
    events.c.annotation_id,
    events.c.slide_id,
    events.c.label,
    events.c.geometry,
    events.c.origin,
    events.c.author,
    events.c.status,
    events.c.confidence,
    events.c.derived_from,
    events.c.measurements,
)
"""What an annotation is made of."""


def state_columns(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    """The columns that say what annotations are."""
    geometries = np.array([a.geometry for a in annotations], object)
    outlines, bounds = shapely.to_wkb(geometries), shapely.bounds(geometries)
    return [
        {
            "annotation_id": str(a.id),
            "slide_id": a.slide_id,
            "author": a.author,
            "label": a.label,
            "geometry": outline,
            "min_x": min_x,
            "min_y": min_y,
            "max_x": max_x,
            "max_y": max_y,
            "origin": a.origin.value,
            "status": a.status.value,
            "confidence": a.confidence,
            "derived_from": a.derived_from,
            "measurements": json.dumps(dict(a.measurements)) if a.measurements else None,
        }
        for a, outline, (min_x, min_y, max_x, max_y) in zip(
            annotations, outlines, bounds.tolist(), strict=True
        )
    ]


def states_in(rows: Sequence[Row]) -> list[Annotation]:
    """The annotations as they were after edits.

    Raises:
        AnnotationError: An edit is damaged.
    """
    try:
        outlines = shapely.from_wkb(np.array([row.geometry for row in rows], object))
    except (shapely.errors.ShapelyError, TypeError):
        # One by one, to tell which.
        return [_state(row, None) for row in rows]
    return [_state(row, outline) for row, outline in zip(rows, outlines, strict=True)]


def _state(row: Row, outline: shapely.Geometry | None) -> Annotation:
    try:
        return Annotation(
            uuid.UUID(row.annotation_id),
            row.slide_id,
            row.label,
            shapely.from_wkb(row.geometry) if outline is None else outline,
            Origin(row.origin),
            row.author,
            Status(row.status),
            row.confidence,
            row.derived_from,
            json.loads(row.measurements) if row.measurements else {},
        )
    except (AnnotationError, ValueError, TypeError, shapely.errors.ShapelyError) as error:
        raise _damaged(row, error) from error


def events_in(rows: Sequence[Row]) -> list[Event]:
    """Entries of the log.

    Raises:
        AnnotationError: One is damaged.
    """
    with_state = [row for row in rows if row.geometry is not None]
    states = dict(zip((row.seq for row in with_state), states_in(with_state), strict=True))
    return [_event(row, states.get(row.seq)) for row in rows]


def _event(row: Row, state: Annotation | None) -> Event:
    try:
        return Event(
            row.seq,
            row.at,
            row.author,
            row.tool,
            Operation(row.operation),
            state,
            row.slide_id,
            _id(row.annotation_id),
            uuid.UUID(row.event_id),
            row.made_at,
            row.stands,
            row.seconds,
            row.comment,
            row.grade,
            row.with_model,
            _id(row.action),
            _id(row.undoes),
            _id(row.redoes),
            region_in(row),
            None if row.outcome is None else Outcome(row.outcome),
            None if row.kind is None else RegionKind(row.kind),
            row.model,
        )
    except (ValueError, TypeError) as error:
        raise _damaged(row, error) from error


def _id(text: str | None) -> uuid.UUID | None:
    return None if text is None else uuid.UUID(text)


def _damaged(row: Row, error: Exception) -> AnnotationError:
    return AnnotationError(
        "the journal is damaged",
        where=f"edit {row.seq}",
        found=str(error),
        remedy="restore it from your backup",
    )
