"""What a reader did in a session, and on the slide so far: for him, and for who counts his time.

Whether the model sways him shows in regions that were drawn alike: those in which it was hidden
beside random ones in which it was not. Costly regions were chosen because the model is in doubt,
so what a reader says of them is compared with neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.review.region_review import QueueCounts, RegionReview

_JUDGED = frozenset(Status) - {Status.PROPOSED}


@dataclass(frozen=True, slots=True)
class ReadWork:
    """What was done, as it stands: what was undone is not in it.

    Args:
        regions: How many regions were read, by kind and outcome.
        accepted: Annotations that the reader validated as they were.
        corrected: That he changed.
        rejected: That he rejected.
        drawn: That he drew.
    """

    regions: Mapping[tuple[RegionKind, Outcome], int]
    accepted: int
    corrected: int
    rejected: int
    drawn: int

    @property
    def read(self) -> int:
        """Regions in all."""
        return sum(self.regions.values())

    def of_kind(self, kind: RegionKind) -> int:
        """Regions of one kind."""
        return sum(n for (found, _), n in self.regions.items() if found is kind)

    def of_outcome(self, outcome: Outcome) -> int:
        """Regions of one outcome."""
        return sum(n for (_, found), n in self.regions.items() if found is outcome)


@dataclass(frozen=True, slots=True)
class ModelAgreement:
    """How far a reader says what a model says, over regions.

    Args:
        regions: How many.
        mean: Of their agreements, 0 to 1; None where there are none.
    """

    regions: int
    mean: float | None

    @classmethod
    def of(cls, agreements: Sequence[float]) -> ModelAgreement:
        """The mean of some regions."""
        count = len(agreements)
        return cls(count, sum(agreements) / count if count else None)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session on one slide.

    Args:
        slide_id: Code of the slide.
        reader: His code.
        session: What he did since it was opened.
        slide: What he did on the slide in all.
        seconds: Focused time of this session.
        actions: What he did in one go counts once, also what he undid.
        hidden: Agreement with the model where it was hidden.
        shown: Agreement with it in random regions where it was not.
        queue: How far the queue is.
    """

    slide_id: str
    reader: str
    session: ReadWork
    slide: ReadWork
    seconds: float
    actions: int
    hidden: ModelAgreement
    shown: ModelAgreement
    queue: QueueCounts


def summarise(
    journal: Journal, regions: RegionReview, seconds: float, *, since_seq: int
) -> SessionSummary:
    """What a reader did on the slide of a queue.

    Args:
        journal: Of the study, or of the reading room.
        regions: His way through the queue.
        seconds: Focused time of the session.
        since_seq: Number of the last entry before the session.
    """
    slide_id, reader = regions.queue.slide_id, regions.reader
    entries = [e for e in journal.events(slide_id, since_seq=since_seq) if e.author == reader]
    touched = {e.annotation_id for e in entries}
    readings = journal.region_readings(slide_id, reader)
    states = [a for a in journal.annotations(slide_id, status=_JUDGED) if a.author == reader]
    return SessionSummary(
        slide_id,
        reader,
        _work([r for r in readings if r.seq > since_seq], [a for a in states if a.id in touched]),
        _work(readings, states),
        seconds,
        len({e.action for e in entries if e.operation is not Operation.READING_TIME} - {None}),
        _agreement(regions, RegionKind.CONTROL, with_model=False),
        _agreement(regions, RegionKind.RANDOM, with_model=True),
        regions.counts,
    )


def _work(readings: Sequence[RegionReading], states: Sequence[Annotation]) -> ReadWork:
    drawn = [a for a in states if a.origin is Origin.PATHOLOGIST]
    others = Counter(a.status for a in states if a.origin is not Origin.PATHOLOGIST)
    return ReadWork(
        Counter((reading.kind, reading.outcome) for reading in readings),
        others[Status.VALIDATED],
        others[Status.CORRECTED],
        others[Status.REJECTED],
        sum(a.status is not Status.REJECTED for a in drawn),
    )


def _agreement(regions: RegionReview, kind: RegionKind, *, with_model: bool) -> ModelAgreement:
    found = [
        comparison.agreement
        for at in regions.decided(kind, with_model=with_model)
        if (comparison := regions.comparison(at)) is not None
    ]
    return ModelAgreement.of(found)
