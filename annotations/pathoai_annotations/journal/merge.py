"""Taking a colleague's journal in: without loss, and nothing twice.

An edit is known by its ``event_id``, so that merging again, or merging what was merged elsewhere,
enters nothing new. Where the same annotation was edited on both sides, what stands here goes on to
stand, and the other side's edits enter beside it, set aside, until someone decides: by ``restore``
of one of them, by ``adjudicate``, or by any later edit. The other side has seen ours, and nothing
is set aside, where its present state was made after our present state had become its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from pathoai.errors import AnnotationError, MissingFileError
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.append import append_rows
from pathoai_annotations.journal.current import insert_current, update_current
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.history import Difference
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.rows import STATE, events_in, states_in
from pathoai_annotations.journal.schema import current_annotations, events
from pathoai_annotations.journal.sqlite_read_only import copy_sqlite

_NAMES_SHOWN = 5
_Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Conflict:
    """An annotation that was edited on both sides.

    Args:
        ours: As it is here, and goes on to be; None where it was deleted here.
        theirs: As it is there; None where it was deleted there.
        seq: Number that the other side's last edit of it has here.
    """

    ours: Annotation | None
    theirs: Annotation | None
    seq: int

    @property
    def changes(self) -> tuple[str, ...]:
        """In what both differ; empty where both came to the same."""
        if self.ours is None and self.theirs is None:
            return ()
        return Difference(self.ours, self.theirs).changes


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did.

    Args:
        new: Number of edits that entered.
        known: Number of edits that were here before.
        conflicts: Annotations edited on both sides.
    """

    new: int
    known: int
    conflicts: tuple[Conflict, ...]


@contextmanager
def colleagues_journal(place: Path) -> Iterator[Journal]:
    """A colleague's journal, to be read; nothing of theirs is changed.

    Args:
        place: A journal's file, or the folder of a study.

    Raises:
        MissingFileError: There is none.
        AnnotationError: What lies there is no journal.
    """
    if place.is_dir():
        study = Study(place)
        if study.sheet.journal:
            with Journal.open(study) as journal:
                yield journal
            return
        place = study.journal_path
    if not place.is_file():
        raise MissingFileError("no journal lies there", where=place.name)
    with TemporaryDirectory() as folder:
        # A copy may be brought up to date, and holds still.
        copy = Path(folder, place.name)
        copy_sqlite(place, copy)
        with Journal(copy) as journal:
            yield journal


def merge_journal(ours: Journal, theirs: Journal, slide_ids: Collection[str]) -> MergeReport:
    """Enter what another journal has and ours has not, all or none.

    Args:
        ours: The journal that grows.
        theirs: The other, e.g. of a colleague's copy of the study.
        slide_ids: The slides of our study.

    Raises:
        AnnotationError: Theirs has edits on a slide that is not ours, or is damaged.
    """
    with theirs.database.reading() as connection:
        found = connection.execute(sa.select(events).order_by(events.c.seq)).all()
    events_in(found)  # refuses what is damaged
    rows = [dict(row._mapping) for row in _unredacted(ours, found)]
    _check_slides(rows, slide_ids)
    with ours.writing() as connection:
        return _merge(connection, rows)


def _unredacted(ours: Journal, found: Sequence[Any]) -> Iterator[Any]:
    """Rows with content, less those that were erased here: they do not come back."""
    query = sa.select(events.c.event_id).where(events.c.operation == Operation.REDACT.value)
    with ours.database.reading() as connection:
        erased = set(connection.scalars(query))
    for row in found:
        if row.operation != Operation.REDACT and row.event_id not in erased:
            yield row


def _check_slides(rows: _Rows, slide_ids: Collection[str]) -> None:
    strangers = sorted({row["slide_id"] for row in rows} - set(slide_ids))
    if strangers:
        raise AnnotationError(
            "the other journal has edits on slides that are not in this study",
            found=", ".join(strangers[:_NAMES_SHOWN])
            + (f" and {len(strangers) - _NAMES_SHOWN} more" * (len(strangers) > _NAMES_SHOWN)),
            remedy="add these slides with `pathoai add`, or ask whose copy of which study it is",
        )


def _merge(connection: sa.Connection, theirs: _Rows) -> MergeReport:
    known_ids = set(connection.scalars(sa.select(events.c.event_id)))
    new = [dict(row) for row in theirs if row["event_id"] not in known_ids]
    if not new:
        return MergeReport(0, len(theirs), ())
    present = _present_event_ids(connection)
    disputed = _disputed(theirs, new, present)
    for row in new:
        row["stands"] = row["stands"] and row["annotation_id"] not in disputed
        if known_ids:
            # They are entered now, whenever they were made. A journal that has nothing takes over
            # the other's times too: so one moves into another database with its whole past.
            row["at"] = None
    append_rows(connection, new)
    # Of several edits of one annotation the last one counts.
    last = {row["annotation_id"]: row for row in new if row["stands"]}
    _note_present(connection, new, last, known=set(present))
    return MergeReport(len(new), len(theirs) - len(new), _conflicts(connection, new, disputed))


def _present_event_ids(connection: sa.Connection) -> dict[str, str]:
    """Annotation → the edit that made it what it is here, also if that deleted it."""
    now = current_annotations
    query = sa.select(now.c.annotation_id, events.c.event_id).join(
        events, events.c.seq == now.c.seq
    )
    return {one: event_id for one, event_id in connection.execute(query)}


def _disputed(theirs: _Rows, new: _Rows, present: dict[str, str]) -> set[str]:
    """Annotations with edits that are new here, made without knowing how they stand here."""
    their_seq = {row["event_id"]: row["seq"] for row in theirs}
    their_present = {row["annotation_id"]: row["seq"] for row in theirs if row["stands"]}
    touched = {row["annotation_id"] for row in new if row["geometry"] is not None}
    return {
        one
        for one in touched & present.keys()
        if their_seq.get(present[one], float("inf")) > their_present.get(one, 0)
    }


def _note_present(
    connection: sa.Connection, new: _Rows, last: dict[str, dict[str, Any]], known: set[str]
) -> None:
    first: dict[str, dict[str, Any]] = {}
    for row in new:
        if row["stands"] and row["annotation_id"] not in known:
            first.setdefault(row["annotation_id"], row)
    if first:
        insert_current(connection, list(first.values()))
    if last:
        update_current(connection, list(last.values()))


def _conflicts(connection: sa.Connection, new: _Rows, disputed: set[str]) -> tuple[Conflict, ...]:
    if not disputed:
        return ()
    last_theirs = {row["annotation_id"]: row["seq"] for row in new if row["geometry"] is not None}
    return tuple(
        Conflict(*_both(connection, one, last_theirs[one]), last_theirs[one])
        for one in sorted(disputed)
    )


def _both(
    connection: sa.Connection, annotation_id: str, their_seq: int
) -> tuple[Annotation | None, Annotation | None]:
    now = current_annotations
    ours = sa.select(now.c.seq).where(now.c.annotation_id == annotation_id)
    our_seq = connection.scalars(ours).one()
    return _state_after(connection, our_seq), _state_after(connection, their_seq)


def _state_after(connection: sa.Connection, seq: int) -> Annotation | None:
    query = sa.select(*STATE).where(events.c.seq == seq, events.c.operation != "delete")
    states = states_in(connection.execute(query).all())
    return states[0] if states else None


def open_conflicts(journal: Journal) -> list[Conflict]:
    """Annotations of which a merge set edits aside that say otherwise, undecided since."""
    latest = (
        sa.select(sa.func.max(events.c.seq).label("seq"))
        .where(events.c.geometry.is_not(None))
        .group_by(events.c.annotation_id)
        .subquery()
    )
    query = sa.select(events.c.annotation_id, events.c.seq).join(
        latest, events.c.seq == latest.c.seq
    )
    with journal.database.reading() as connection:
        aside = connection.execute(query.where(~events.c.stands).order_by(events.c.seq)).all()
        found = [Conflict(*_both(connection, one, seq), seq) for one, seq in aside]
    return [conflict for conflict in found if conflict.changes]
