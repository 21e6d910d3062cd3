"""What of the journal goes into a package: annotations of record, and the edits behind them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime

from pathoai.errors import PackageError
from pathoai.study.cohort import Cohort
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.record import SlideRecord, slide_record, told_waiting


@dataclass(frozen=True, slots=True)
class Selection:
    """Which annotations are packaged, at one moment of the journal.

    Args:
        last_seq: The last edit looked at; later ones wait for the next package.
        slide_ids: Slides with annotations of record, sorted.
        ids: The annotations of record.
        started: Time of the first edit of any of them, ISO 8601, UTC.
        ended: Time of the last.
        waiting: Slides, of which what readers stand behind waits for their sign-offs.
    """

    last_seq: int
    slide_ids: tuple[str, ...]
    ids: frozenset[uuid.UUID]
    started: str
    ended: str
    waiting: tuple[SlideRecord, ...]

    @property
    def last_edit(self) -> date:
        """The day (UTC) of the last edit."""
        return datetime.fromisoformat(self.ended).date()


@dataclass(frozen=True, slots=True)
class SlideHistory:
    """One slide's share of a package.

    Args:
        slide_id: Code of the slide.
        annotations: Its annotations of record, in the order in which they were first proposed.
        events: The edits of these, oldest first.
    """

    slide_id: str
    annotations: tuple[Annotation, ...]
    events: tuple[Event, ...]


@dataclass(slots=True)
class _Trace:
    """What a first pass keeps of an annotation: all outlines at once may not fit in memory."""

    slide_id: str
    started: str
    ended: str
    is_judged: bool


def select(journal: Journal, cohort: Cohort) -> Selection:
    """Choose all annotations that a pathologist stands behind and has signed off.

    Raises:
        PackageError: There is none, or one lies on a slide that is not in the cohort.
    """
    last_seq, traces = _traces(journal)
    slides = sorted({trace.slide_id for trace in traces.values() if trace.is_judged})
    records = [slide_record(journal, slide_id, last_seq=last_seq) for slide_id in slides]
    of_record = {uuid.UUID(one) for record in records for one in record.ids}
    chosen = {i: trace for i, trace in traces.items() if i in of_record}
    waiting = tuple(record for record in records if record.waiting)
    if not chosen:
        raise _nothing_of_record(len(traces), waiting)
    slide_ids = tuple(sorted({trace.slide_id for trace in chosen.values()}))
    _check_cohort(slide_ids, cohort)
    return Selection(
        last_seq,
        slide_ids,
        frozenset(chosen),
        min(trace.started for trace in chosen.values()),
        max(trace.ended for trace in chosen.values()),
        waiting,
    )


def _traces(journal: Journal) -> tuple[int, dict[uuid.UUID, _Trace]]:
    """The number of the last edit, and what is known of each annotation by then."""
    traces: dict[uuid.UUID, _Trace] = {}
    last_seq = 0
    for event in journal.events():
        last_seq = event.seq
        if not event.stands:
            continue
        trace = traces.setdefault(
            event.state.id, _Trace(event.slide_id, event.at, event.at, is_judged=False)
        )
        trace.ended = event.at
        is_there = event.operation is not Operation.DELETE
        trace.is_judged = is_there and event.state.status in OF_RECORD
    return last_seq, traces


def _nothing_of_record(known: int, waiting: tuple[SlideRecord, ...]) -> PackageError:
    if waiting:
        return PackageError(
            "nothing is signed off: there is nothing to package",
            found=told_waiting(waiting),
            remedy=f"once read, sign off: `{waiting[0].remedies[0]}`",
        )
    return PackageError(
        "no annotation is validated: there is nothing to package",
        found=f"{known} annotations, none validated or corrected",
        remedy="validate some in `pathoai review`",
    )


def _check_cohort(slide_ids: tuple[str, ...], cohort: Cohort) -> None:
    strangers = [slide_id for slide_id in slide_ids if slide_id not in cohort]
    if strangers:
        raise PackageError(
            "validated annotations lie on a slide that is not in the cohort",
            where="cohort.csv",
            found=", ".join(strangers[:3]) + (" …" if len(strangers) > 3 else ""),
            remedy="add the slide again with `pathoai add`, or, if its patient objected, reject "
            "its annotations",
        )


def slide_history(journal: Journal, slide_id: str, selection: Selection) -> SlideHistory:
    """The annotations of record of one slide, and the edits that led to them."""
    events = tuple(
        event
        for event in journal.events(slide_id)
        if event.stands and event.seq <= selection.last_seq and event.state.id in selection.ids
    )
    state = {event.state.id: event.state for event in events}
    return SlideHistory(slide_id, tuple(state.values()), events)
