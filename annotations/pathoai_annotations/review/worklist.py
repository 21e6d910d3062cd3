"""The slides of a study in the order in which one reader should open them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.study import Study
from pathoai_annotations.agreement.adjudication_queue import open_cases
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionReading
from pathoai_annotations.readers.assignment import AssignmentTable, Role
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.readers.progress import is_read, readings
from pathoai_annotations.readers.room_sheet import room_sheet
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.slide_concern import Why, why_read


class SlideState(StrEnum):
    """How far a reader is with a slide; what he should open first at the top."""

    TO_SETTLE = "to_settle"
    """He is its adjudicator, and its readers have signed off and differ."""
    REOPENED = "reopened"
    """He signed it off, and opened it again."""
    UNREAD = "unread"
    BEGUN = "begun"
    WAITING = "waiting"
    """He is its adjudicator, and its readers are not done."""
    SIGNED = "signed"
    """He signed it off; of an adjudicator: nothing is left to settle."""


@dataclass(frozen=True, slots=True)
class WorklistSlide:
    """A slide, as one reader sees it.

    Args:
        slide_id: Its code.
        role: What he is to do on it; ``none`` where he was not asked to.
        state: How far he is.
        why: Why it stands where it stands.
        decided: Regions of his queue that are decided.
        regions: How many his queue has; 0 until he has begun.
        unsure: Regions that he, or who read before an adjudicator, was unsure of.
    """

    slide_id: str
    role: Role
    state: SlideState
    why: Why
    decided: int = 0
    regions: int = 0
    unsure: int = 0

    @property
    def rank(self) -> tuple[bool, int, tuple[int, float]]:
        """The smaller, the sooner: his own slides, then by state, then by concern."""
        return self.role is Role.NONE, list(SlideState).index(self.state), self.why.rank


@dataclass(frozen=True)
class _Known:
    """What the study's tables and its journal say, read once for all slides.

    Args:
        roles: What the reader is to do, by slide.
        read: Slides that all their readers have signed off.
        to_settle: Slides of his, as an adjudicator, on which readers differ.
        signed: Whether he signed a slide off, or reopened it since, by slide.
        begun: Slides of which he changed an annotation.
        proposals: How many annotations nobody has judged, by slide.
        readings: Regions that were read, by anybody who may be named to him, by slide.
    """

    roles: dict[str, Role]
    read: frozenset[str]
    to_settle: frozenset[str]
    signed: dict[str, bool] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()
    proposals: dict[str, int] = field(default_factory=dict)
    readings: dict[str, list[RegionReading]] = field(default_factory=dict)

    def state(self, slide_id: str) -> SlideState:
        """How far the reader is with a slide."""
        if self.roles.get(slide_id) is Role.ADJUDICATOR:
            if slide_id in self.to_settle:
                return SlideState.TO_SETTLE
            return SlideState.SIGNED if slide_id in self.read else SlideState.WAITING
        if slide_id in self.signed:
            return SlideState.SIGNED if self.signed[slide_id] else SlideState.REOPENED
        is_begun = slide_id in self.begun or slide_id in self.readings
        return SlideState.BEGUN if is_begun else SlideState.UNREAD


def worklist(study: Study, reader: str, plan: ReadingPlan | None = None) -> list[WorklistSlide]:
    """The tiled slides that a reader may open: his own first, then by state, then by concern.

    The arguments and errors are those of `list_slides`.
    """
    return sorted(list_slides(study, reader, plan), key=lambda slide: slide.rank)


def list_slides(
    study: Study,
    reader: str,
    plan: ReadingPlan | None = None,
    *,
    slides: Collection[str] | None = None,
) -> Iterator[WorklistSlide]:
    """The tiled slides that a reader may open, one after the other, in the order of the cohort.

    A slide takes some milliseconds, so a window can fill a list while it is used. A blind reader
    has a list in his reading room, of what lies there; in the study itself he has none of the
    slides that others are still reading.

    Args:
        study: The study or the reading room.
        reader: Code of the reader.
        plan: What he reads; where it names a table, only its slides are listed.
        slides: Only these; all where None.

    Raises:
        AnnotationError: The reader's code is none, or the room is another's.
        StudyError: A table is damaged.
        StoreError: A slide's store cannot be read.
    """
    check_may_work(study, reader, [])
    plan = plan or ReadingPlan()
    known = _known(study, reader)
    wanted = [row.slide_id for row in study.cohort if _is_open(study, known, row.slide_id)]
    for chosen in (plan.slides, slides):
        if chosen is not None:
            wanted = [slide_id for slide_id in wanted if slide_id in chosen]
    return (_listed(study, slide_id, known, (reader, plan)) for slide_id in wanted)


def _known(study: Study, reader: str) -> _Known:
    found = readings(study)
    read = frozenset(one.slide_id for one in found if is_read(found, one.slide_id))
    roles = _roles(study, reader)
    settles = {i for i, role in roles.items() if role is Role.ADJUDICATOR} & read
    to_settle = {case.slide_id for case in open_cases(study)} & settles if settles else set()
    if not study.has_journal:
        # Opening one would make it: a trace of a question.
        return _Known(roles, read, frozenset(to_settle))
    with Journal.open(study) as journal:
        verdicts = journal.remarks({Operation.SIGN_OFF, Operation.REOPEN}, author=reader)
        signed = {one.slide_id: one.operation is Operation.SIGN_OFF for one in verdicts}
        by_slide: dict[str, list[RegionReading]] = defaultdict(list)
        for reading in journal.region_readings():
            if reading.author == reader or reading.slide_id in settles:
                by_slide[reading.slide_id].append(reading)
        begun = journal.slides_edited_by(reader)
        proposals = {
            row.slide_id: journal.counts(row.slide_id)[Status.PROPOSED] for row in study.cohort
        }
    return _Known(roles, read, frozenset(to_settle), signed, begun, proposals, dict(by_slide))


def _roles(study: Study, reader: str) -> dict[str, Role]:
    """By slide; in a room its reader reads all there is."""
    if room_sheet(study) is not None:
        return {row.slide_id: Role.BLIND_READER for row in study.cohort}
    return AssignmentTable(study).of_reader(reader)


def _is_open(study: Study, known: _Known, slide_id: str) -> bool:
    """Whether a slide can be opened, and by this reader."""
    if not is_complete(study.store_path(slide_id)):
        return False
    is_blind = known.roles.get(slide_id) is Role.BLIND_READER
    return not is_blind or slide_id in known.read or room_sheet(study) is not None


def _listed(
    study: Study, slide_id: str, known: _Known, reading: tuple[str, ReadingPlan]
) -> WorklistSlide:
    state, said = known.state(slide_id), known.readings.get(slide_id, [])
    unsure = sum(one.outcome is Outcome.UNSURE for one in said)
    decided = regions = 0
    if state in (SlideState.BEGUN, SlideState.REOPENED):
        decided, regions = _progress(study, slide_id, said, reading)
    role = known.roles.get(slide_id, Role.NONE)
    why = why_read(study, slide_id, known.proposals.get(slide_id, 0))
    return WorklistSlide(slide_id, role, state, why, decided, regions, unsure)


def _progress(
    study: Study, slide_id: str, said: list[RegionReading], reading: tuple[str, ReadingPlan]
) -> tuple[int, int]:
    """Regions of the reader's queue that he decided, and how many it has."""
    reader, plan = reading
    queue = plan.queue(study, SlideStore(study.store_path(slide_id)), reader)
    own = [one for one in said if one.author == reader and one.outcome is not Outcome.UNSURE]
    return len(queue.places_of(own)), len(queue)
