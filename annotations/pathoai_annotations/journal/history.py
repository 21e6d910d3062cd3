"""Past states: what there was after an edit, at a moment, or as one reader left it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.rows import STATE
from pathoai_annotations.journal.schema import events
from pathoai_annotations.journal.states import states_after, touches
from pathoai_annotations.journal.undone import without_undone


def moment_text(moment: datetime | str) -> str:
    """A moment as the log writes it: ISO 8601, UTC, milliseconds.

    Args:
        moment: With its time zone, or ISO 8601 text with one.

    Raises:
        InvalidValueError: It is no moment, or has no time zone: which one is never guessed.
    """
    try:
        found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError as error:
        raise InvalidValueError(
            "no moment", found=repr(moment), allowed="ISO 8601, e.g. 2026-05-01T12:00+02:00"
        ) from error
    if found.tzinfo is None:
        raise InvalidValueError(
            "a moment without time zone",
            found=found.isoformat(),
            allowed=f"e.g. {found.isoformat()}+02:00",
        )
    return found.astimezone(UTC).isoformat(timespec="milliseconds")


def seq_at(connection: sa.Connection, moment: datetime | str) -> int:
    """The last edit entered by a moment, the moment itself included; 0 where there is none.

    Raises:
        InvalidValueError: It is no moment with a time zone.
    """
    by_then = events.c.at <= moment_text(moment)
    # Along the index on time, whose order is that of the numbers.
    latest = (
        sa.select(events.c.seq).where(by_then).order_by(events.c.at.desc(), events.c.seq.desc())
    )
    return connection.scalar(latest.limit(1)) or 0


def past_rows(
    at_seq: int,
    *,
    slide_id: str | None = None,
    status: Collection[Status] | None = None,
    region: Region | None = None,
    ids: Collection[str] | None = None,
) -> sa.Select[Any]:
    """The query for what there was after an edit, in the order of its proposal.

    Args:
        at_seq: The edit.
        slide_id: Only of this slide.
        status: Only of these.
        region: Only what touched this rectangle, level-0 pixels.
        ids: Only of these annotations, at most as many as `in_parts` gives.
    """
    latest, first = sa.func.max(events.c.seq), sa.func.min(events.c.seq)
    inner = sa.select(latest.label("latest"), first.label("first")).group_by(events.c.annotation_id)
    inner = inner.where(events.c.stands, events.c.seq <= at_seq)
    if ids is not None:
        inner = inner.where(events.c.annotation_id.in_(ids))
    if slide_id is not None:
        inner = inner.where(events.c.slide_id == slide_id)
    last = inner.subquery()
    query = sa.select(*STATE).join(last, events.c.seq == last.c.latest).order_by(last.c.first)
    query = query.where(events.c.operation != Operation.DELETE.value)
    if status is not None:
        query = query.where(events.c.status.in_([s.value for s in status]))
    return query if region is None else query.where(touches(events, region))


def states_of_author(
    connection: sa.Connection, author: str, slide_id: str | None = None
) -> list[Annotation]:
    """Annotations as one reader left them, whatever others said since.

    Args:
        connection: To read by.
        author: Code of the reader.
        slide_id: Only of this slide.
    """
    e = events.c
    columns = (e.seq, e.annotation_id, e.operation, e.action, e.undoes, e.redoes)
    query = sa.select(*columns).where(e.author == author, e.geometry.is_not(None)).order_by(e.seq)
    if slide_id is not None:
        query = query.where(e.slide_id == slide_id)
    last = {row.annotation_id: row for row in without_undone(connection.execute(query).all())}
    kept = [row.seq for row in last.values() if row.operation != Operation.DELETE]
    states = states_after(connection, kept)
    return [states[seq] for seq in kept]


@dataclass(frozen=True, slots=True)
class Difference:
    """One annotation in which two states differ.

    Args:
        before: As the first has it; None where it is not there.
        after: As the second has it; None where it is not there.
    """

    before: Annotation | None
    after: Annotation | None

    @property
    def annotation(self) -> Annotation:
        """The later of both that exists."""
        found = self.after or self.before
        assert found is not None  # differences() makes none without either
        return found

    @property
    def changes(self) -> tuple[str, ...]:
        """What changed: ``added``, ``removed``, or any of ``class``, ``outline``, ``status``."""
        if self.before is None:
            return ("added",)
        if self.after is None:
            return ("removed",)
        parts = {
            "class": self.before.label != self.after.label,
            "outline": not self.before.geometry.equals(self.after.geometry),
            "status": self.before.status is not self.after.status,
        }
        return tuple(name for name, differs in parts.items() if differs)


def differences(before: Iterable[Annotation], after: Iterable[Annotation]) -> list[Difference]:
    """Every annotation in which two states differ, those that are only in the second one last."""
    old: dict[uuid.UUID, Annotation] = {a.id: a for a in before}
    new: dict[uuid.UUID, Annotation] = {a.id: a for a in after}
    found = [Difference(old.get(one), new.get(one)) for one in old | new]
    return [difference for difference in found if difference.changes]
