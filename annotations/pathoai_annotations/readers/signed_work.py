"""What each reader signed off, and what he had outlined when he did.

One annotation can be two readers' work: both may have validated the same proposal of a model, each
in a room of his own. So a reader's outlines are the states after his own last edits, whatever
others did to the same annotations, and only those before his last sign-off.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.undone import without_undone


@dataclass(frozen=True, slots=True)
class SignOff:
    """A reader has finished a slide.

    Args:
        seq: Number of the entry in the journal.
        slide_id: Code of the slide.
        reader: Code of the reader.
        grade: Key of the class that stands for the slide; empty where he gave none.
        seconds: He spent on the slide; None where nobody measured.
        with_model: Whether he saw what a model predicted; None where nobody said.
        reopened: Whether he took it back since: then he had not finished.
        since: Number of the last sign-off before it with the other kind of help: what he did until
            then belongs to that reading.
    """

    seq: int
    slide_id: str
    reader: str
    grade: str
    seconds: float | None
    with_model: bool | None
    reopened: bool = False
    since: int = 0

    @property
    def span(self) -> range:
        """Numbers of the entries that can belong to it."""
        return range(self.since + 1, self.seq)


def sign_offs(journal: Journal, slide_id: str | None = None) -> list[SignOff]:
    """All sign-offs, oldest first; a reader may have read a slide more than once."""
    found: list[SignOff] = []
    last: dict[tuple[str, str], int] = {}
    for event in journal.remarks({Operation.SIGN_OFF, Operation.REOPEN}, slide_id):
        key = (event.slide_id, event.author)
        if event.operation is Operation.SIGN_OFF:
            last[key] = len(found)
            found.append(_sign_off(event))
        elif key in last:
            found[last[key]] = replace(found[last[key]], reopened=True)
    return found


def _sign_off(e: Event) -> SignOff:
    return SignOff(e.seq, e.slide_id, e.author, e.grade or "", e.seconds, e.with_model)


def last_sign_offs(found: Iterable[SignOff]) -> dict[tuple[str, str], SignOff]:
    """What counts: the last of each slide and reader, unless he reopened it since.

    A slide that was read without a model's help and then with it was read twice, in two rooms; the
    outlines of the first reading are no part of the second.
    """
    last: dict[tuple[str, str], SignOff] = {}
    open_again: set[tuple[str, str]] = set()
    for one in found:
        key = (one.slide_id, one.reader)
        if one.reopened:
            open_again.add(key)
            continue
        open_again.discard(key)
        before = last.get(key)
        since = 0
        if before is not None:
            since = before.since if before.with_model == one.with_model else before.seq
        last[key] = replace(one, since=since)
    return {key: one for key, one in last.items() if key not in open_again}


def outlines_of(
    events: Iterable[Event], signed: Mapping[str, SignOff]
) -> dict[str, dict[uuid.UUID, Annotation]]:
    """The annotations that each reader stood behind when he signed off.

    Args:
        events: Of one slide, oldest first.
        signed: Reader → his last sign-off.

    Returns:
        Reader → annotations by their ids; of a reader who outlined nothing, none.
    """
    states: dict[str, dict[uuid.UUID, Annotation]] = {reader: {} for reader in signed}
    for event in without_undone(list(events)):
        if not _counts(event, signed) or event.annotation_id is None:
            continue
        if event.operation is Operation.DELETE:
            states[event.author].pop(event.annotation_id, None)
        elif event.annotation is not None:
            states[event.author][event.annotation_id] = event.annotation
    return {
        reader: {i: a for i, a in found.items() if a.status in OF_RECORD}
        for reader, found in states.items()
    }


@dataclass(frozen=True, slots=True)
class TimedRegion:
    """Time that a reader spent on one region.

    Args:
        reader: Code of the reader.
        label: Key of its class, as he left it.
        seconds: He spent on it in one reading.
        with_model: Whether he saw what a model predicted.
    """

    reader: str
    label: str
    seconds: float
    with_model: bool


def timed_regions(events: Iterable[Event], found: Iterable[SignOff]) -> list[TimedRegion]:
    """Seconds per annotation, of every reading of which it is known whether a model was seen.

    An edit belongs to the reading that its author signed off next.

    Args:
        events: Of one slide, oldest first.
        found: Its sign-offs that were not reopened, oldest first.
    """
    signed = list(found)
    spent: dict[tuple[SignOff, uuid.UUID], float] = defaultdict(float)
    labels: dict[tuple[SignOff, uuid.UUID], str] = {}
    for event in events:
        own = (one for one in signed if one.reader == event.author and one.seq > event.seq)
        reading = next(own, None)
        if reading is None or event.annotation_id is None or event.annotation is None:
            continue
        labels[reading, event.annotation_id] = event.annotation.label
        if event.seconds is not None:
            spent[reading, event.annotation_id] += event.seconds
    return [
        TimedRegion(key[0].reader, labels[key], seconds, key[0].with_model)
        for key, seconds in spent.items()
        if key[0].with_model is not None
    ]


def _counts(event: Event, signed: Mapping[str, SignOff]) -> bool:
    one = signed.get(event.author)
    return one is not None and event.seq in one.span
