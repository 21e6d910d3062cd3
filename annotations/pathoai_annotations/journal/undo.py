"""Taking back what an author did last on a slide, and doing it again: from the log alone.

An *action* is all entries that bear one id: what its author did in one go. Undoing one enters a new
action, which brings back what was before and names in ``undoes`` what it took back. Redoing enters
another, which takes the undo back and names it in ``redoes``. So nothing leaves the log, both go as
far back as it does, and a program that is started again goes on where it was.

An undo is linear: what is done after it can no longer be undone by redoing. It ends at the author's
last sign-off, and leaves alone what is no work on annotations or regions: comments, sign-offs,
reopenings, times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.append import append_remark, append_states
from pathoai_annotations.journal.edit import Edit
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.region_reading import region_columns, region_in
from pathoai_annotations.journal.rows import Row
from pathoai_annotations.journal.schema import events
from pathoai_annotations.journal.states import in_parts, states_after

_SMALLEST_PX = 1.0
"""A point has no width, and a region needs one."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What was undone or redone.

    Args:
        operation: That it consisted of: ``read_region`` where a region was read, else its first.
        annotations: How many it changed.
        region: Where, before and after, level-0 pixels.
    """

    operation: Operation
    annotations: int
    region: Region


def undo_last(connection: sa.Connection, slide_id: str, edit: Edit) -> Undone | None:
    """Take back the author's last action that stands.

    Args:
        connection: Within a transaction that writes.
        slide_id: On this slide.
        edit: By whom.

    Returns:
        What was undone; None where nothing is left.

    Raises:
        AnnotationError: Somebody else changed one of the annotations since; nothing is undone.
    """
    action = _last_done(_own_actions(connection, slide_id, edit.author))
    if action is None:
        return None
    entries = _entries(connection, slide_id, edit.author, action)
    regions = _take_back(connection, entries, edit, {"undoes": action})
    return _undone(entries, regions)


def redo_last(connection: sa.Connection, slide_id: str, edit: Edit) -> Undone | None:
    """Do again what the author undid last, if he did nothing else since.

    Args:
        connection: Within a transaction that writes.
        slide_id: On this slide.
        edit: By whom.

    Returns:
        What was redone; None where nothing is left.

    Raises:
        AnnotationError: Somebody else changed one of the annotations since; nothing is redone.
    """
    undo = _last_undo(_own_actions(connection, slide_id, edit.author))
    if undo is None:
        return None
    entries = _entries(connection, slide_id, edit.author, undo.action)
    regions = _take_back(connection, entries, edit, {"redoes": undo.action})
    return _undone(_entries(connection, slide_id, edit.author, undo.undoes), regions)


def _own_actions(connection: sa.Connection, slide_id: str, author: str) -> Iterator[Row]:
    """Entries that an undo is about, newest first, back to the last sign-off."""
    e = events.c
    lone = (Operation.READ_REGION.value, Operation.SIGN_OFF.value)
    query = (
        sa.select(e.operation, e.action, e.undoes, e.redoes)
        .where(e.slide_id == slide_id, e.author == author, e.action.is_not(None))
        .where(sa.or_(e.stands, e.operation.in_(lone)))
        .order_by(e.seq.desc())
        .execution_options(stream_results=True)
    )
    with connection.execute(query) as rows:
        for row in rows:
            if row.operation == Operation.SIGN_OFF:
                return
            yield row


def _last_done(rows: Iterator[Row]) -> str | None:
    gone: set[str] = set()
    for row in rows:
        if row.action in gone:
            continue
        taken_back = row.undoes or row.redoes
        if taken_back is None:
            return str(row.action)
        gone.add(taken_back)
    return None


def _last_undo(rows: Iterator[Row]) -> Row | None:
    gone: set[str] = set()
    for row in rows:
        if row.action in gone:
            continue
        if row.undoes is not None:
            return row
        if row.redoes is None:
            return None
        gone.add(row.redoes)
    return None


def _entries(connection: sa.Connection, slide_id: str, author: str, action: str) -> Sequence[Row]:
    query = (
        sa.select(events)
        .where(events.c.slide_id == slide_id, events.c.author == author)
        .where(events.c.action.is_not(None), events.c.action == action)
        .where(sa.or_(events.c.stands, events.c.operation == Operation.READ_REGION.value))
        .order_by(events.c.seq)
    )
    return connection.execute(query).all()


def _take_back(
    connection: sa.Connection, entries: Sequence[Row], edit: Edit, names: dict[str, str]
) -> list[Region]:
    """Enter what takes an action back; returns where something changed."""
    about = edit.columns | names
    restored, gone = _states_before(connection, entries)
    by_author = [
        [replace(state, author=edit.author) for state in some] for some in (restored, gone)
    ]
    append_states(connection, Operation.RESTORE, by_author[0], about)
    append_states(connection, Operation.DELETE, by_author[1], about)
    regions = [region for row in entries if (region := region_in(row)) is not None]
    for region in regions:
        columns = about | region_columns(region)
        append_remark(connection, Operation.READ_REGION, entries[0].slide_id, columns)
    return regions + [_around(state.geometry.bounds) for state in restored + gone]


def _states_before(
    connection: sa.Connection, entries: Sequence[Row]
) -> tuple[list[Annotation], list[Annotation]]:
    """Annotations as they were before an action, and those that were not there, as they are."""
    actions = {row.action for row in entries}
    ids = list(dict.fromkeys(row.annotation_id for row in entries if row.stands))
    was_there: dict[int, bool] = {}
    for history in _histories(connection, ids):
        first = next(at for at, row in enumerate(history) if row.action in actions)
        _refuse_changes([row for row in history[first:] if row.action not in actions])
        before = history[first - 1] if first else None
        is_there = before is not None and before.operation != Operation.DELETE
        was_there[(before or history[-1]).seq] = is_there
    states = states_after(connection, list(was_there))
    restored = [states[seq] for seq, is_there in was_there.items() if is_there]
    return restored, [states[seq] for seq, is_there in was_there.items() if not is_there]


def _histories(connection: sa.Connection, ids: Sequence[str]) -> Iterator[list[Row]]:
    """All that stands of each annotation, oldest first."""
    e = events.c
    columns = (e.seq, e.annotation_id, e.author, e.operation, e.action, e.undoes, e.redoes)
    for part in in_parts(ids):
        found: dict[str, list[Row]] = {one: [] for one in part}
        query = sa.select(*columns).where(e.annotation_id.in_(part), e.stands).order_by(e.seq)
        for row in connection.execute(query):
            found[row.annotation_id].append(row)
        yield from found.values()


def _refuse_changes(since: Sequence[Row]) -> None:
    """Refuse what others left of an annotation; what was done and taken back since is no change."""
    later = {row.action for row in since if row.action is not None}
    gone: set[str] = set()
    for row in reversed(since):
        if row.action in gone:
            continue
        taken_back = row.undoes or row.redoes
        if taken_back not in later:
            raise AnnotationError(
                "the annotation was changed since, so nothing was undone or redone",
                where=row.annotation_id,
                found=f"{row.operation} by {row.author}, edit {row.seq}",
                remedy="decide what it shall be, by an edit of your own",
            )
        gone.add(taken_back)


def _undone(entries: Sequence[Row], regions: Sequence[Region]) -> Undone:
    operations = [Operation(row.operation) for row in entries]
    is_reading = Operation.READ_REGION in operations
    drawn = [row for row in entries if row.stands]
    places = [_around((row.min_x, row.min_y, row.max_x, row.max_y)) for row in drawn]
    return Undone(
        Operation.READ_REGION if is_reading else operations[0],
        len({row.annotation_id for row in drawn}),
        _bounding([*regions, *places]),
    )


def _around(bounds: tuple[float, float, float, float]) -> Region:
    left, top, right, bottom = bounds
    return Region(left, top, max(right - left, _SMALLEST_PX), max(bottom - top, _SMALLEST_PX))


def _bounding(regions: Sequence[Region]) -> Region:
    left, top = min(r.x for r in regions), min(r.y for r in regions)
    right, bottom = max(r.right for r in regions), max(r.bottom for r in regions)
    return _around((left, top, right, bottom))
