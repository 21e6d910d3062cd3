"""Taking what was said of a person out of the log, while the log stays verifiable.

An entry that is erased stays as a row without content: its number, its times, who wrote it, and the
hash of what it was, by which the audit trail still covers it. The triggers that forbid any change
are lifted within the one transaction that redacts, as in a migration; the trail tells of it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from pathoai_annotations.journal.current import rebuild_current
from pathoai_annotations.journal.digest import digested_rows, event_hash
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.queries import JournalQueries
from pathoai_annotations.journal.schema import events, forbid_updates

_KEPT = ("seq", "event_id", "at", "made_at", "author", "tool")
_TEXTS = ("slide_id", "comment", "derived_from", "measurements", "tool", "model")


def edits_about(journal: JournalQueries, codes: Sequence[str]) -> list[int]:
    """Numbers of the entries that say something of slides or persons.

    An annotation that was derived from one of theirs is theirs, from its first entry to its last.

    Args:
        journal: The journal.
        codes: Codes of the slides and persons.
    """
    named = sa.or_(*(events.c[name].contains(code) for name in _TEXTS for code in codes))
    is_one = events.c.annotation_id.is_not(None)
    first = sa.select(events.c.annotation_id).where(named, is_one)
    theirs = first.cte("theirs", recursive=True)
    source = sa.literal("annotation:") + theirs.c.annotation_id
    carried = sa.select(events.c.annotation_id).join(theirs, events.c.derived_from == source)
    theirs = theirs.union(carried)
    owned = events.c.annotation_id.in_(sa.select(theirs.c.annotation_id))
    query = sa.select(events.c.seq).where(sa.or_(named, owned))
    with journal.database.reading() as connection:
        return list(connection.scalars(query.order_by(events.c.seq)))


def redact(journal: Journal, seqs: Sequence[int], hashes: Mapping[str, str]) -> None:
    """Erase the content of entries; all or none, and from the database's free pages, too.

    Args:
        journal: The journal.
        seqs: Numbers of the entries; those already redacted stay as they are.
        hashes: Code of a slide → its hash, which stands in its place.
    """
    if seqs:
        with journal.database.writing() as connection, _updates(connection):
            for seq in seqs:
                for row in digested_rows(connection, seq, seq):
                    _redact_row(connection, row, hashes)
            rebuild_current(connection)
    journal.database.scrub()


def _redact_row(connection: sa.Connection, row: Any, hashes: Mapping[str, str]) -> None:  # noqa: ANN401 - a row, see rows.py
    if row.operation == Operation.REDACT:
        return
    blank: dict[str, Any] = {c.name: None for c in events.c if c.name not in _KEPT}
    blank |= {
        "operation": Operation.REDACT.value,
        "slide_id": hashes.get(row.slide_id, row.slide_id),
        "stands": False,
        "comment": event_hash(row).hex(),
    }
    connection.execute(sa.update(events).where(events.c.seq == row.seq).values(blank))


@contextmanager
def _updates(connection: sa.Connection) -> Iterator[None]:
    """Let rows of the log be changed until the end of the block, in this transaction alone."""
    forbid_updates(connection, forbidden=False)
    yield
    forbid_updates(connection, forbidden=True)
