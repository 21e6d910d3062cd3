"""Going through a queue of regions: where the reader is, and what he decides.

Every decision is in the journal when the call returns, under one ``action``, so that undo takes it
back whole. Where the reader is follows from the journal and the queue: after a restart, or a kill,
he goes on behind the region that he decided last.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import OF_RECORD, Annotation, Origin, Status
from pathoai_annotations.journal.edit import Edit
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.proposals import MOST_AT_ONCE
from pathoai_annotations.review.model_comparison import ModelComparison, compare_with_model
from pathoai_annotations.review.model_proposals import ModelProposals, holds_centre
from pathoai_annotations.review.reading_clock import ReadingClock
from pathoai_annotations.review.region_queue import RegionQueue, RegionToRead
from pathoai_annotations.review.slide_lock import check_unlocked

_DECIDED = frozenset(Outcome) - {Outcome.UNSURE}


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How far the reader is.

    Args:
        total: Regions of the queue.
        decided: Of these, decided.
        unsure: Of these, left to a second reader, or to a second look.
    """

    total: int
    decided: int
    unsure: int

    @property
    def left(self) -> int:
        """Regions that nobody looked at yet."""
        return self.total - self.decided - self.unsure


@dataclass(frozen=True, slots=True)
class RegionDecision:
    """What a decision did.

    Args:
        outcome: As it is in the journal.
        judged: How many proposals were validated or rejected.
        comparison: Of a control: what the reader did beside what the model says, told once he has
            decided; None elsewhere.
    """

    outcome: Outcome
    judged: int
    comparison: ModelComparison | None = None


class RegionReview:
    """One reader's way through one queue.

    Args:
        journal: Of the study, or of the reading room.
        queue: What he reads.
        reader: His code.
        proposals: The work of the queue's model; None where it has none.
        clock: Counts the time of each region; None where nobody measures.
        now: Seconds of the clock's time.
        noted: Called with the number of edits after each that was made.
    """

    def __init__(
        self,
        journal: Journal,
        queue: RegionQueue,
        reader: str,
        *,
        proposals: ModelProposals | None = None,
        clock: ReadingClock | None = None,
        now: Callable[[], float] = time.monotonic,
        noted: Callable[[int], None] = lambda edits: None,
    ) -> None:
        """Stand behind the region that was decided last; nothing is written."""
        self.queue = queue
        self.reader = reader
        self._journal, self._proposals = journal, proposals
        self._clock, self._now, self._noted = clock, now, noted
        self._readings: dict[int, RegionReading] = {}
        self.refresh()
        self.position = self._start()

    @property
    def current(self) -> RegionToRead | None:
        """Where the reader is; None in an empty queue."""
        return self.queue.regions[self.position] if len(self.queue) else None

    @property
    def counts(self) -> QueueCounts:
        """How far he is."""
        outcomes = Counter(reading.outcome for reading in self._readings.values())
        unsure = outcomes.pop(Outcome.UNSURE, 0)
        return QueueCounts(len(self.queue), sum(outcomes.values()), unsure)

    @property
    def hides_model(self) -> bool:
        """Whether the model is out of sight here: in a control, until it is decided."""
        here = self.current
        is_control = here is not None and here.kind is RegionKind.CONTROL
        return is_control and self.outcome(self.position) not in _DECIDED

    @property
    def covered(self) -> tuple[Region, ...]:
        """Controls that are still to be decided: nobody sees beforehand what a model says there."""
        return tuple(
            one.region
            for at, one in enumerate(self.queue.regions)
            if one.kind is RegionKind.CONTROL and self.outcome(at) not in _DECIDED
        )

    def outcome(self, position: int) -> Outcome | None:
        """What was decided of a region of the queue; None where nothing was."""
        reading = self._readings.get(position)
        return None if reading is None else reading.outcome

    def decided(self, kind: RegionKind, *, with_model: bool) -> list[int]:
        """Places of the regions of a kind that are decided, with the model's help or without."""
        return [
            at
            for at, one in self._readings.items()
            if one.kind is kind and one.with_model is with_model and one.outcome in _DECIDED
        ]

    def refresh(self) -> list[int]:
        """Read the journal again, e.g. after undo.

        Returns:
            Places of regions of which a decision was taken back.
        """
        before = self._readings
        found = self._journal.region_readings(self.queue.slide_id, self.reader)
        self._readings = self.queue.places_of(found)
        now = self._readings
        return [at for at, one in before.items() if at not in now or now[at].seq < one.seq]

    def enter(self) -> int:
        """Begin to read: what the model found comes in as proposals, unless hidden or decided.

        Returns:
            How many proposals are open here.

        Raises:
            StoreError: The model's objects cannot be read.
            AnnotationError: One of them cannot be an annotation, or they are too many; none is
                entered.
        """
        here = self.current
        if here is not None and self._clock is not None:
            self._clock.enter(self._now(), here.key)
        if here is None or self.hides_model:
            return 0
        if self._proposals is not None and self.position not in self._readings:
            found = self._proposals.in_region(here.region)
            _refuse_crowds(found)
            self._noted(self._journal.propose(found))
        return len(self._open_proposals(here.region))

    def next(self) -> RegionToRead | None:
        """Go to the next region that is not decided, else to the next of which he was unsure.

        Returns:
            Where he is now; None, and he stays, where all is decided.
        """
        found = self._following(self.position) if len(self.queue) else None
        return None if found is None else self.jump(found)

    def previous(self) -> RegionToRead | None:
        """Go to the region before this one, decided or not; None at the beginning."""
        return self.jump(self.position - 1) if self.position > 0 else None

    def jump(self, position: int) -> RegionToRead:
        """Go to a place of the queue, from 0.

        Raises:
            AnnotationError: The queue has no such place.
        """
        if not 0 <= position < len(self.queue):
            raise AnnotationError(
                "the queue has no such place", found=position + 1, allowed=f"1 to {len(self.queue)}"
            )
        self.position = position
        return self.queue.regions[position]

    def accept(self, comment: str | None = None) -> RegionDecision:
        """Stand behind all that is proposed here; in a control, behind what one drew oneself.

        Where he had rejected the region as a whole, what he rejected then is right after all.

        Raises:
            AnnotationError: The queue is empty, the slide is signed off, the control was decided
                before, or the comment may not be kept.
        """
        if self.hides_model:
            return self.correct(comment)
        return self._decide(Outcome.ACCEPTED, comment)

    def reject(self, comment: str | None = None) -> RegionDecision:
        """Say that all that is proposed here is wrong.

        Where he had accepted the region or was done with it, that goes for the proposals that he
        stood behind then, too; never for what he drew or changed. Where something of the model's
        stands after it all the same, changed by him or accepted alone, the region is corrected.

        Raises:
            AnnotationError: As for `accept`, or the model is hidden here.
        """
        if self.hides_model:
            raise AnnotationError(
                "there is nothing to reject: the model is hidden here",
                remedy="draw what you see, if anything, and say that you are done",
            )
        return self._decide(Outcome.REJECTED, comment)

    def correct(self, comment: str | None = None) -> RegionDecision:
        """Say that one is done: one's own changes stay, and what else is proposed here is right.

        Raises:
            AnnotationError: The queue is empty, the slide is signed off, the control was decided
                before, or the comment may not be kept.
        """
        return self._decide(Outcome.CORRECTED, comment)

    def unsure(self, comment: str | None = None) -> RegionDecision:
        """Judge nothing, and leave the region to a second look or a second reader.

        Raises:
            AnnotationError: The queue is empty, the slide is signed off, the control was decided
                before, or the comment may not be kept.
        """
        return self._decide(Outcome.UNSURE, comment)

    def comment(self, text: str) -> None:
        """Say something of the region where one is, decided or not; no undo takes it back.

        Raises:
            AnnotationError: The comment may not be kept.
        """
        slide_id, here = self.queue.slide_id, self.current
        if here is None:
            self._journal.comment(text, slide_id=slide_id, author=self.reader)
        else:
            self._journal.comment_region(slide_id, here.region, text, author=self.reader)
        self._noted(1)

    def comparison(self, position: int) -> ModelComparison | None:
        """What the reader stood behind when he decided a region, beside what the model says there.

        Returns:
            None where the region is not decided, or there is no model.
        """
        reading = self._readings.get(position)
        return None if reading is None else self._compare(reading.region, at_seq=reading.seq)

    def _decide(self, outcome: Outcome, comment: str | None) -> RegionDecision:
        here = self.current
        if here is None:
            raise AnnotationError("there is no region to decide: the queue is empty")
        # What may not be entered is refused before anything is judged.
        check_unlocked(self._journal, [self.queue.slide_id], self.reader)
        Edit(self.reader, comment=comment)
        self._refuse_second_thoughts(here)
        hidden, action = self.hides_model, uuid.uuid4()
        # What nobody saw is not judged; in an audit the label is, and not what lies over it.
        judges = outcome is not Outcome.UNSURE and not hidden and here.kind is not RegionKind.AUDIT
        with self._journal.at_once():
            judged = self._to_judge(outcome, here.region) if judges else []
            if judged:
                rejects = outcome is Outcome.REJECTED
                judge = self._journal.reject if rejects else self._journal.validate
                judge([a.id for a in judged], author=self.reader, action=action)
            if judges and outcome is Outcome.REJECTED and self._own_word(here.region, OF_RECORD):
                outcome = Outcome.CORRECTED
            self._journal.read_region(
                self.queue.slide_id,
                here.region,
                outcome,
                kind=here.kind,
                model=self.queue.model,
                with_model=bool(self.queue.model) and not hidden,
                author=self.reader,
                action=action,
                seconds=self._seconds(here),
                comment=comment,
            )
        self._noted(len(judged) + 1)
        self.refresh()
        told = hidden and outcome in _DECIDED
        comparison = self._compare(here.region) if told else None
        return RegionDecision(outcome, len(judged), comparison)

    def _seconds(self, here: RegionToRead) -> float | None:
        return None if self._clock is None else self._clock.tell_region(self._now(), here.key)

    def _compare(self, region: Region, *, at_seq: int | None = None) -> ModelComparison | None:
        if self._proposals is None:
            return None
        states = self._journal.annotations(
            self.queue.slide_id, status=OF_RECORD, region=region, at_seq=at_seq
        )
        own = [a for a in states if a.author == self.reader]
        return compare_with_model(own, self._proposals.in_region(region), region)

    def _refuse_second_thoughts(self, here: RegionToRead) -> None:
        """What was said without the model must not be replaced by what is said with it."""
        if here.kind is RegionKind.CONTROL and not self.hides_model:
            raise AnnotationError(
                "this control is decided, and you have seen what the model says",
                remedy="change annotations as you like; to decide it anew, undo the decision",
            )

    def _to_judge(self, outcome: Outcome, region: Region) -> Sequence[Annotation]:
        """What is open; and what the reader said of the whole region before, and now takes back."""
        found, before = self._open_proposals(region), self.outcome(self.position)
        if outcome is Outcome.REJECTED and before in (Outcome.ACCEPTED, Outcome.CORRECTED):
            return [*found, *self._own_word(region, {Status.VALIDATED})]
        if outcome is Outcome.ACCEPTED and before is Outcome.REJECTED:
            return [*found, *self._own_word(region, {Status.REJECTED})]
        return found

    def _own_word(self, region: Region, status: Iterable[Status]) -> list[Annotation]:
        """What the model proposed here and the reader himself gave one of some states."""
        found = self._in_region(region, status)
        return [a for a in found if a.origin is Origin.MODEL and a.author == self.reader]

    def _open_proposals(self, region: Region) -> list[Annotation]:
        return self._in_region(region, (Status.PROPOSED,))

    def _in_region(self, region: Region, status: Iterable[Status]) -> list[Annotation]:
        found = self._journal.annotations(self.queue.slide_id, status=tuple(status), region=region)
        return [a for a in found if holds_centre(region, a.geometry)]

    def _start(self) -> int:
        """Behind the region that was decided last; where all is decided, there."""
        if not self._readings:
            return 0
        last = max(self._readings, key=lambda at: self._readings[at].seq)
        found = self._following(last)
        return last if found is None else found

    def _following(self, position: int) -> int | None:
        """The next place that is open, then of which he was unsure; round to the place itself."""
        count = len(self.queue)
        others = [(position + step) % count for step in range(1, count)]
        for wanted in (None, Outcome.UNSURE):
            for at in others:
                if self.outcome(at) is wanted:
                    return at
        return position if self.outcome(position) not in _DECIDED else None


def _refuse_crowds(found: Sequence[Annotation]) -> None:
    """Nobody stands behind thousands of outlines of which not all are shown."""
    if len(found) > MOST_AT_ONCE:
        raise AnnotationError(
            "the model found more in this region than can be judged at once",
            found=len(found),
            allowed=f"{MOST_AT_ONCE} or fewer",
            remedy="read smaller regions, e.g. by `pathoai queue --side 256`",
        )
