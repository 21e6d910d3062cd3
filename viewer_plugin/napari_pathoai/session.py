"""A reader reviewing one slide: what is shown, what was decided, what is saved. No Qt, no napari.

Every operation is in the journal when it returns: there is nothing to save and nothing to lose.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from shapely.geometry.base import BaseGeometry

from napari_pathoai.settings import setting
from napari_pathoai.what_to_read import usual_plan
from pathoai.errors import BusyError, PathoaiError
from pathoai.geometry import Region
from pathoai.ontology import BACKGROUND_INDEX, LabelClass, Ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation, Origin, Status
from pathoai_annotations.drawing.drawn_edits import DrawnEdit, DrawnEdits
from pathoai_annotations.journal.edit import EditDetails
from pathoai_annotations.journal.undo import Undone
from pathoai_annotations.proposals import MOST_AT_ONCE, ProposedObjects, propose_objects
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.review.locked_journal import LockedJournal
from pathoai_annotations.review.model_proposals import ModelProposals, holds_centre
from pathoai_annotations.review.proposal_queue import ProposalQueue
from pathoai_annotations.review.reading_clock import ReadingClock
from pathoai_annotations.review.reading_plan import ReadingPlan, models_of
from pathoai_annotations.review.region_review import RegionReview
from pathoai_annotations.review.session_summary import SessionSummary, summarise
from pathoai_annotations.review.slide_lock import check_unlocked
from pathoai_annotations.review.verdict import SlideVerdict

_ALL_AT_ONCE = 300
"""So many outlines are filled into napari in a blink (measured: 1,500 take half a second); of more,
those in view are, which are few where one looks closely."""
_LONGEST_WAIT_S = 3.0
"""For a program that holds the journal: meanwhile the window is frozen."""
_LEAST_NOTED_S = 1.0
"""Opening a slide to see which it is, is no reading."""
_SHOWN = (Status.PROPOSED, Status.VALIDATED, Status.CORRECTED)


@dataclass(frozen=True)
class ShownAnnotations:
    """The annotations on the screen, and how many the slide has in all (without rejected ones)."""

    annotations: tuple[Annotation, ...]
    total: int

    @property
    def is_partial(self) -> bool:
        """True where the slide has more than are shown."""
        return len(self.annotations) < self.total


@dataclass(frozen=True)
class SavedState:
    """Edits of this session in the journal, and when the last was saved (local time)."""

    edits: int = 0
    last: datetime | None = None


class ReviewSession:
    """One reader's review of one slide of a study.

    Args:
        study: The study.
        slide_id: Which of its slides; it must be tiled.
        reader: Code of the person, never a name.
        plan: Which regions he reads, with which model's help; the usual ones where None.

    Raises:
        AnnotationError: The reader's code is none, may not work here (he is blind to
            others, and reads in a room of his own), or the journal cannot be read.
        StudyError: The study has no such slide.
        StoreError: The slide is not tiled, or its store is not complete.
    """

    def __init__(
        self, study: Study, slide_id: str, reader: str, *, plan: ReadingPlan | None = None
    ) -> None:
        """Open the slide's store and the journal."""
        self.study = study
        self.slide_id = study.cohort[slide_id].slide_id
        check_may_work(study, reader, [self.slide_id])
        self.reader = reader
        self.ontology: Ontology = study.ontology
        self.store = SlideStore(study.store_path(slide_id))
        self.journal = LockedJournal.open(study)
        self.journal.database.wait_at_most(_LONGEST_WAIT_S)
        self.saved = SavedState()
        self.hides_model = False
        self.plan = plan or usual_plan()
        idle_s = float(setting("idle_seconds"))
        self.clock = ReadingClock(time.monotonic(), idle_limit_s=idle_s)
        self._since_seq = self.journal.seq_at(datetime.now().astimezone())
        self._action: uuid.UUID | None = None
        self._regions: RegionReview | None = None
        self._proposals = ProposalQueue(self.journal, self.slide_id)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """What an annotation can be; not the background."""
        return tuple(c for c in self.ontology.classes if c.index != BACKGROUND_INDEX)

    @property
    def predictions(self) -> tuple[str, ...]:
        """Names of the models that predicted objects of this slide; not of those that grade it."""
        return models_of(self.store)

    def prediction(self, model: str) -> LabelImage:
        """What one of ``predictions`` says, with its probabilities."""
        return self.store.label(f"prediction/{model}")

    def annotations(self, region: Region | None = None) -> ShownAnnotations:
        """At most 2,000 annotations that are not rejected; of more than 300, those in a region.

        Proposals of models are left out while ``hides_model`` is true, and always where they lie in
        a region that is ``covered``.

        Args:
            region: What is in view, level-0 pixels; the whole slide where None.
        """
        counts = self.counts()
        total = sum(counts[status] for status in _SHOWN)
        wanted = region if total > min(_ALL_AT_ONCE, MOST_AT_ONCE) else None
        found = self.journal.annotations(self.slide_id, status=_SHOWN, region=wanted)
        shown = [a for a in found if not self._is_out_of_sight(a)]
        # That something is left out would say that there is something.
        total -= len(found) - len(shown)
        return ShownAnnotations(tuple(shown[:MOST_AT_ONCE]), total)

    def get(self, annotation_id: uuid.UUID) -> Annotation:
        """The present state of an annotation.

        Raises:
            AnnotationError: It is unknown.
        """
        return self.journal.get(annotation_id)

    def counts(self) -> dict[Status, int]:
        """How many annotations of the slide have each status."""
        return self.journal.counts(self.slide_id)

    def add(self, label: str, geometry: BaseGeometry) -> Annotation:
        """Enter what the reader has drawn, as validated: who draws stands behind it.

        Args:
            label: Key of its class.
            geometry: Level-0 pixels.

        Raises:
            AnnotationError: The outline is malformed.
            OntologyError: The class is unknown.
        """
        (drawn,) = self.drawn(lambda hand: hand.draw(label, geometry)).changed
        return drawn

    def accept(self, ids: Sequence[uuid.UUID]) -> list[Annotation]:
        """Stand behind annotations as they are.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        edit = self.action()
        open_ones = [one for one in ids if self.get(one).status not in OF_RECORD]
        self.journal.validate(open_ones, **edit)
        self._note(len(open_ones))
        return [self.get(one) for one in ids]

    def reject(self, ids: Sequence[uuid.UUID]) -> list[Annotation]:
        """Say that annotations are wrong; they stay in the journal but not on the screen.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        self.journal.reject(ids, **self.action())
        self._note(len(ids))
        return [self.get(one) for one in ids]

    def change_class(self, ids: Sequence[uuid.UUID], label: str) -> list[Annotation]:
        """Give annotations another class; those that have it already are left alone.

        Raises:
            AnnotationError: One is unknown.
            OntologyError: The class is unknown.
        """
        key, edit = self.ontology[label].key, self.action()
        changed = []
        for one in ids:
            state = self.get(one)
            if state.label != key:
                state = self.journal.correct(one, label=key, **edit)
                self._note(1)
            changed.append(state)
        return changed

    def change_outline(self, annotation_id: uuid.UUID, geometry: BaseGeometry) -> Annotation:
        """Give an annotation another outline, level-0 pixels.

        Raises:
            AnnotationError: It is unknown, or the outline is malformed.
        """
        corrected = self.journal.correct(annotation_id, geometry=geometry, **self.action())
        self._note(1)
        return corrected

    def drawn(self, edit: Callable[[DrawnEdits], DrawnEdit]) -> DrawnEdit:
        """Let the reader draw: one action, which one undo takes back.

        Args:
            edit: What is done with the reader's hand.

        Raises:
            AnnotationError: It is refused; nothing is changed.
            OntologyError: The class is unknown.
        """
        with self.journal.at_once():
            done = edit(DrawnEdits(self.journal, self.slide_id, self.ontology, self.action()))
        self._note(done.count)
        return done

    def sign_off(self, verdict: SlideVerdict, *, comment: str = "") -> None:
        """Sign the slide off; it is locked from then on.

        Raises:
            AnnotationError: The reader is not to read it.
            OntologyError: The grade is none of the study's.
        """
        seconds = self.clock.tell_rest(time.monotonic())
        try:
            verdict.sign_off(seconds=seconds, comment=comment)
        except PathoaiError as error:
            # What was spent is told all the same; who waited in vain does not wait once more.
            if not isinstance(error, BusyError):
                self.journal.note_time(self.slide_id, seconds, author=self.reader)
            raise
        self._note(1)

    def reopen(self, verdict: SlideVerdict, *, comment: str = "") -> None:
        """Unlock the slide; that is logged.

        Raises:
            AnnotationError: It is not signed off.
        """
        verdict.reopen(comment=comment)
        self._note(1)

    def next_proposal(self) -> Annotation | None:
        """The next annotation that nobody judged, least confident first; then from the start.

        None where none is left, and while what models say is hidden.
        """
        return None if self.hides_model else self._proposals.next()

    def propose_from_prediction(self, model: str, region: Region) -> ProposedObjects:
        """Enter what a model found in a region as proposals, at most 2,000 at once.

        The id of a proposal follows from model and outline, so that doing it again adds nothing.

        Args:
            model: One of ``predictions``.
            region: What is in view, level-0 pixels; objects whose bounds touch it.

        Raises:
            StoreError: The model's objects were not written for this slide.
            AnnotationError: A predicted object cannot be an annotation; none is entered.
        """
        result = propose_objects(self.journal, self.study, self.slide_id, model, region)
        self._proposals.begin_again()
        self._note(result.new)
        return result

    def action(self) -> EditDetails:
        """The circumstances of one thing that the reader does; its edits are undone as one.

        Raises:
            AnnotationError: He has signed the slide off; said also where nothing would change.
        """
        check_unlocked(self.journal, [self.slide_id], self.reader)
        return {"author": self.reader, "action": self._action or uuid.uuid4()}

    @contextmanager
    def as_one_action(self) -> Iterator[None]:
        """All that is edited meanwhile is undone as one."""
        before, self._action = self._action, self._action or uuid.uuid4()
        try:
            yield
        finally:
            self._action = before

    def undo(self) -> Undone | None:
        """Take back what the reader did last on this slide, in this session or an earlier one.

        Returns:
            What was taken back; None where nothing is left.

        Raises:
            AnnotationError: Somebody else changed it since, or the slide is signed off.
        """
        return self._again(self.journal.undo)

    def redo(self) -> Undone | None:
        """Do again what the reader undid last; as `undo`."""
        return self._again(self.journal.redo)

    def on_slide(self, slide_id: str) -> ReviewSession:
        """A session of the same reader on another slide; the errors are those of a new one."""
        return ReviewSession(self.study, slide_id, self.reader, plan=self.plan)

    @property
    def regions(self) -> RegionReview:
        """The reader's way through the regions of the slide; its queue is made when first asked.

        Raises:
            StudyError: The plan's table is damaged.
            StoreError: The prediction cannot be read.
        """
        if self._regions is None:
            self._regions = self._begin_reading()
        return self._regions

    @property
    def covered(self) -> tuple[Region, ...]:
        """Where what models say is out of sight, once the queue is made; level-0 pixels."""
        return () if self._regions is None else self._regions.covered

    def read_model(self, model: str) -> RegionReview:
        """Read the queue of another model; what was decided of the present one stays.

        Args:
            model: One of ``predictions``.
        """
        self.plan = replace(self.plan, model=model)
        self._regions = None
        return self.regions

    def summary(self) -> SessionSummary:
        """What was read since the session was opened, and on the slide in all."""
        seconds = self.clock.slide_seconds(time.monotonic())
        return summarise(self.journal, self.regions, seconds, since_seq=self._since_seq)

    @property
    def has_work(self) -> bool:
        """Whether anything was put into the journal since the session was opened."""
        return self.saved.last is not None

    def _is_out_of_sight(self, annotation: Annotation) -> bool:
        if annotation.origin is not Origin.MODEL or annotation.status is not Status.PROPOSED:
            return False
        return self.hides_model or any(
            holds_centre(region, annotation.geometry) for region in self.covered
        )

    def _begin_reading(self) -> RegionReview:
        queue = self.plan.queue(self.study, self.store, self.reader)
        proposes = bool(queue.model) and not queue.judges_label
        work = ModelProposals(self.study, self.store, queue.model) if proposes else None
        return RegionReview(
            self.journal,
            queue,
            self.reader,
            proposals=work,
            clock=self.clock,
            noted=self._note,
        )

    def close(self) -> None:
        """Note the time that no entry has told yet, and release the journal."""
        seconds = self.clock.tell_rest(time.monotonic())
        try:
            if seconds >= _LEAST_NOTED_S:
                self.journal.note_time(self.slide_id, seconds, author=self.reader)
        finally:
            self.journal.close()

    def _again(self, step: Callable[..., Undone | None]) -> Undone | None:
        done = step(self.slide_id, author=self.reader)
        if done is not None:
            self._proposals.begin_again()
            self._note(1)
        return done

    def note_edits(self, edits: int) -> None:
        """Say that edits went into the journal by another way than the methods here."""
        self._note(edits)

    def _note(self, edits: int) -> None:
        if not edits:
            return
        self.saved = SavedState(self.saved.edits + edits, datetime.now().astimezone())
