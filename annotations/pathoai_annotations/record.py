"""What is of record: judged right by a reader who signed the slide off since.

A state of an annotation is of record where somebody stands behind just that state (he validated,
drew or corrected it so, and has not said otherwise since) and signed the slide off afterwards,
without reopening it; or where an adjudicator settled it so. Each reader's sign-off covers his own
words and nobody else's: what another changed after it waits for the other's. So two readers may
sign one slide, and a proposal that both validated is of record with the first of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import sqlalchemy as sa

from pathoai_annotations.annotation import OF_RECORD
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.rows import Row
from pathoai_annotations.journal.schema import events
from pathoai_annotations.journal.states import in_parts
from pathoai_annotations.journal.undone import without_undone

_NAMES_SHOWN = 3
_HASH_BYTES = 16
_JUDGED = frozenset(status.value for status in OF_RECORD)


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """What of a slide is of record.

    Args:
        slide_id: Code of the slide.
        ids: Of the annotations, as text.
        waiting: Reader → how many annotations he stands behind that wait for his sign-off.
    """

    slide_id: str
    ids: frozenset[str]
    waiting: Mapping[str, int]

    @property
    def remedies(self) -> list[str]:
        """The commands by which what waits comes to be of record."""
        return [sign_off_command(reader, self.slide_id) for reader in self.waiting]


def sign_off_command(reader: str, slide_id: str) -> str:
    """How a reader signs a slide off."""
    return f"pathoai readers sign-off STUDY --reader {reader} --slide {slide_id}"


def told_waiting(records: Iterable[SlideRecord]) -> str:
    """What waits for sign-offs, in a line; of many slides the first few."""
    parts = [
        (count, f"{count} of {reader} on {record.slide_id}")
        for record in records
        for reader, count in record.waiting.items()
    ]
    shown = ", ".join(words for _, words in parts[:_NAMES_SHOWN])
    more = f" and {len(parts) - _NAMES_SHOWN} more" * (len(parts) > _NAMES_SHOWN)
    return f"{sum(count for count, _ in parts)} annotations wait for sign-off: {shown}{more}"


def slide_record(journal: Journal, slide_id: str, *, last_seq: int | None = None) -> SlideRecord:
    """What of a slide is of record.

    Args:
        journal: The study's.
        slide_id: Code of the slide.
        last_seq: After that entry and none later; now where None.
    """
    with journal.database.reading() as connection:
        words, signed = _words(connection, slide_id, last_seq)
        present = {row.annotation_id: row for row in words if row.stands}
        behind = _who_stands_behind(connection, words, present)
    ids, waiting = set(), Counter[str]()
    for one, row in present.items():
        if not _is_right(row):
            continue
        own = behind.get(one, ())
        if any(_settles(w) or signed.get(w.author, 0) > w.seq for w in own):
            ids.add(one)
        else:
            waiting[own[-1].author if own else row.author] += 1
    return SlideRecord(slide_id, frozenset(ids), waiting)


def _words(
    connection: sa.Connection, slide_id: str, last_seq: int | None
) -> tuple[list[Row], dict[str, int]]:
    """What was said of annotations, oldest first, and the sign-off of each who has signed off."""
    e = events.c
    verdicts = (Operation.SIGN_OFF.value, Operation.REOPEN.value)
    columns = (e.seq, e.author, e.operation, e.annotation_id, e.stands, e.status)
    query = (
        sa.select(*columns, e.action, e.undoes, e.redoes)
        .where(e.slide_id == slide_id)
        .where(sa.or_(e.geometry.is_not(None), e.operation.in_(verdicts)))
        .order_by(e.seq)
    )
    if last_seq is not None:
        query = query.where(e.seq <= last_seq)
    words: list[Row] = []
    signed: dict[str, int] = {}
    for row in connection.execute(query):
        if row.operation == Operation.SIGN_OFF:
            signed[row.author] = row.seq
        elif row.operation == Operation.REOPEN:
            signed.pop(row.author, None)
        else:
            words.append(row)
    return words, signed


def _is_right(row: Row) -> bool:
    return row.operation != Operation.DELETE and row.status in _JUDGED


def _settles(row: Row) -> bool:
    return bool(row.operation == Operation.ADJUDICATE)


def _who_stands_behind(
    connection: sa.Connection, words: Sequence[Row], present: Mapping[str, Row]
) -> dict[str, list[Row]]:
    """Annotation → each person's last word, where it is that it is right as it is now."""
    last: dict[tuple[str, str], Row] = {}
    for row in without_undone(words):
        last.pop((row.annotation_id, row.author), None)  # so that the order is that of last words
        last[row.annotation_id, row.author] = row
    right = [row for row in last.values() if _is_right(row) and row.annotation_id in present]
    # Few words but the present ones: only of these outlines and classes are looked at.
    others = [row for row in right if row.seq != present[row.annotation_id].seq]
    contents = _contents(
        connection, [seq for row in others for seq in (row.seq, present[row.annotation_id].seq)]
    )
    found: dict[str, list[Row]] = {}
    for row in right:
        now = present[row.annotation_id].seq
        if row.seq == now or contents[row.seq] == contents[now]:
            found.setdefault(row.annotation_id, []).append(row)
    return found


def _contents(connection: sa.Connection, seqs: Sequence[int]) -> dict[int, tuple[str, bytes]]:
    """The class of an annotation after an edit, and a hash of its outline."""
    e = events.c
    found: dict[int, tuple[str, bytes]] = {}
    for part in in_parts(list(dict.fromkeys(seqs))):
        query = sa.select(e.seq, e.label, e.geometry).where(e.seq.in_(part))
        for row in connection.execute(query):
            # All outlines of a slide at once may not fit in memory.
            outline = blake2b(row.geometry, digest_size=_HASH_BYTES).digest()
            found[row.seq] = (row.label, outline)
    return found
