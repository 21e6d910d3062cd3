"""Hashes over entries of the log, which stay what they were when an entry is redacted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.schema import events

_ROWS_AT_ONCE = 2000
# As of schema 0003. A column that comes later needs another digest: trails hold what this gave.
_DIGESTED = tuple(
    events.c[name]
    for name in (
        *("seq", "operation", "comment", "author", "event_id", "at", "made_at", "tool"),
        *("slide_id", "annotation_id", "stands", "seconds", "grade", "with_model", "action"),
        *("undoes", "redoes", "region_x", "region_y", "region_width", "region_height"),
        *("outcome", "kind", "model", "label", "min_x", "min_y", "max_x", "max_y", "origin"),
        *("status", "confidence", "derived_from", "measurements", "geometry"),
    )
)


class EventDigest:
    """What a stretch of the log comes to.

    Attributes:
        first: Number of its first entry; 0 where there is none.
        last: Number of its last entry; 0 where there is none.
        edits: How many entries.
        authors: Code of each author, and how many entries are his.
        redacted: Numbers of entries that were redacted.
    """

    def __init__(self) -> None:
        """Of nothing yet."""
        self.first = self.last = self.edits = 0
        self.authors: dict[str, int] = {}
        self.redacted: list[int] = []
        self._hash = hashlib.sha256()

    def add(self, row: Any) -> None:  # noqa: ANN401 - a row, see rows.py
        """Take the next entry in."""
        seq, operation, comment, author = row[:4]
        self.first, self.last = self.first or seq, seq
        self.edits += 1
        self.authors[author] = self.authors.get(author, 0) + 1
        if operation == Operation.REDACT:
            self.redacted.append(seq)
            self._hash.update(bytes.fromhex(comment))
        else:
            self._hash.update(event_hash(row))

    @property
    def sha256(self) -> str:
        """Over the hashes of the entries, hexadecimal."""
        return self._hash.hexdigest()


def event_hash(row: Any) -> bytes:  # noqa: ANN401 - a row, see rows.py
    """SHA-256 of one entry, 32 bytes; floats are written so that they come back to the bit."""
    *plain, outline = row
    digest = hashlib.sha256(repr(tuple(plain)).encode())
    digest.update(b"" if outline is None else bytes(outline))
    return digest.digest()


def digested_rows(
    connection: sa.Connection, first: int, last: int | None = None, *, slides: tuple[str, ...] = ()
) -> Iterator[Any]:
    """Rows that :func:`event_hash` takes, in the order of their numbers.

    Args:
        connection: Within a transaction.
        first: Number of the first.
        last: Number of the last; to the end where None.
        slides: Only of these slides; of all where empty.
    """
    while True:
        query = sa.select(*_DIGESTED).where(events.c.seq >= first).order_by(events.c.seq)
        if last is not None:
            query = query.where(events.c.seq <= last)
        if slides:
            query = query.where(events.c.slide_id.in_(slides))
        rows = connection.execute(query.limit(_ROWS_AT_ONCE)).all()
        yield from rows
        if len(rows) < _ROWS_AT_ONCE:
            return
        first = rows[-1].seq + 1


def digest_of(connection: sa.Connection, first: int, last: int | None = None) -> EventDigest:
    """What a stretch of the log comes to; arguments of :func:`digested_rows`."""
    found = EventDigest()
    for row in digested_rows(connection, first, last):
        found.add(row)
    return found
