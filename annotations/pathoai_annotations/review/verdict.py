"""A reader's verdict on a slide: his grade, beside what models say, signed off and reopened.

A grade seen first pulls the reader's own towards it (anchoring: Tversky A, Kahneman D. Science
1974). So what models say is shown once the reader has chosen a grade, unless he asks otherwise; and
that he saw it, and what he had chosen until then, is entered in the journal before it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.ontology import BACKGROUND_INDEX, LabelClass, Ontology
from pathoai.store.slide_store import SlideStore
from pathoai.study.grade import check_grades
from pathoai.study.study import Study
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.room_sheet import room_sheet
from pathoai_annotations.readers.sign_off import sign_off_slide
from pathoai_annotations.review.model_verdict import ModelVerdict, model_verdicts

SEEN = "saw the model's verdict"
"""How the journal's comments begin that say so, in any language of the window."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed a slide off.

    Args:
        reader: Code of the reader.
        at: When, ISO 8601, UTC.
        grade: Key of the grade; empty where he gave none, or where it is not to be seen yet.
        with_model: Whether he saw what a model says; None where nobody said.
        stands: False where he has reopened the slide since, or signed it off again.
    """

    reader: str
    at: str
    grade: str
    with_model: bool | None
    stands: bool


class SlideVerdict:
    """The verdict of one reader on one slide.

    Args:
        study: A study, or a reading room.
        store: The slide's.
        journal: Of the study.
        reader: Code of the reader.
        own_grade_first: Whether models speak only after the reader has chosen a grade.
    """

    def __init__(
        self,
        study: Study,
        store: SlideStore,
        journal: Journal,
        reader: str,
        *,
        own_grade_first: bool = True,
    ) -> None:
        """Find what the reader has said so far."""
        self._study, self._store, self._journal, self._reader = study, store, journal, reader
        self.own_grade_first = own_grade_first
        self._found: tuple[ModelVerdict, ...] | None = None
        own = [one for one in journal.sign_offs(store.slide_id) if one.author == reader]
        self._chosen = (own[-1].grade or "") if own else ""
        comments = journal.remarks({Operation.COMMENT}, store.slide_id, reader)
        self._told = any((one.comment or "").startswith(SEEN) for one in comments)
        self.saw_model = self._told or any(bool(one.with_model) for one in own)

    @property
    def grades(self) -> tuple[LabelClass, ...]:
        """What a slide can be; none where neither the ontology nor a model grades slides.

        Where the ontology ranks no class, the classes by which models grade this slide.

        Raises:
            StoreError: A file of a model's is damaged.
        """
        ontology = self._study.ontology
        if ontology.is_ordinal:
            return grades_of(ontology)
        keys = {key for one in self._said() for key, _ in one.probabilities}
        return tuple(c for c in ontology.classes if c.key in keys)

    @property
    def needs_grade(self) -> bool:
        """Whether a signature says a grade: it does where the study has grades."""
        return bool(self.grades)

    @property
    def chosen(self) -> str:
        """Key of the grade that the reader has chosen, or last signed; empty where none."""
        return self._chosen

    def choose(self, grade: str) -> None:
        """Choose a grade; it counts once it is signed off.

        Raises:
            OntologyError: It is no grade of a slide.
        """
        check_grades(self._study.ontology, [grade])
        self._chosen = grade

    def awaits_grade(self, *, hidden: bool) -> bool:
        """True where a model has something to say once the reader has chosen a grade."""
        return self._may_speak(hidden) and not self._is_their_turn and bool(self._said())

    def models(self, *, hidden: bool) -> tuple[ModelVerdict, ...]:
        """What models say, where the reader may see it now; that he did is noted first.

        Args:
            hidden: Whether what models say is out of sight in this session.

        Raises:
            StoreError: A file of theirs is damaged.
        """
        if not (self._may_speak(hidden) and self._is_their_turn):
            return ()
        found = self._said()
        if found:
            self._note_seen()
        return found

    def _may_speak(self, hidden: bool) -> bool:
        sheet = room_sheet(self._study)
        return not hidden and (sheet is None or bool(sheet.model))

    @property
    def _is_their_turn(self) -> bool:
        return bool(self._chosen) or not self.own_grade_first or not self.needs_grade

    def _said(self) -> tuple[ModelVerdict, ...]:
        if self._found is None:
            self._found = model_verdicts(self._study, self._store)
        return self._found

    def read_again(self) -> None:
        """Forget what models said: one of them has spoken since."""
        self._found = None

    def _note_seen(self) -> None:
        if not self._told:
            before = f"own grade before it: {self._chosen or 'none'}"
            text = f"{SEEN}; {before}"
            self._journal.comment(text, slide_id=self._store.slide_id, author=self._reader)
        self._told = self.saw_model = True

    @property
    def is_locked(self) -> bool:
        """True where the reader has signed off, and not reopened."""
        return self._journal.is_signed(self._store.slide_id, self._reader)

    def sign_off(self, *, seconds: float | None = None, comment: str = "") -> None:
        """Say: I have read this slide. It is locked from then on.

        Args:
            seconds: Spent on it, focused.
            comment: No name belongs there.

        Raises:
            AnnotationError: The reader is not to read this slide, or it is signed off already.
            OntologyError: The grade is none of the study's.
        """
        if self.is_locked:
            # Saying the same again is no sign-off.
            return
        sign_off_slide(
            self._study,
            self._store.slide_id,
            reader=self._reader,
            grade=self._chosen,
            with_model=self.saw_model,
            journal=self._journal,
            seconds=seconds,
            comment=comment.strip() or None,
        )

    def reopen(self, *, comment: str = "") -> None:
        """Unlock the slide; that is logged, and the sign-off counts no more.

        Raises:
            AnnotationError: It is not signed off.
        """
        slide_id = self._store.slide_id
        self._journal.reopen(slide_id, author=self._reader, comment=comment.strip() or None)

    def signatures(self) -> tuple[Signature, ...]:
        """Who signed when, oldest first; others' grades only once the reader has signed his own."""
        slide_id, locked = self._store.slide_id, self.is_locked
        signed = self._journal.sign_offs(slide_id)
        last = {one.author: one.seq for one in signed}
        return tuple(
            Signature(
                one.author,
                one.at,
                (one.grade or "") if locked or one.author == self._reader else "",
                one.with_model,
                last[one.author] == one.seq and self._journal.is_signed(slide_id, one.author),
            )
            for one in signed
        )


def grades_of(ontology: Ontology) -> tuple[LabelClass, ...]:
    """The classes with a rank, the least severe first; all where none has one.

    So an adjudicator can settle whatever grade readers may have given.
    """
    if ontology.is_ordinal:
        ranked = [c for c in ontology.classes if c.grade is not None]
        return tuple(sorted(ranked, key=lambda c: (c.grade or 0, c.index)))
    return tuple(c for c in ontology.classes if c.index != BACKGROUND_INDEX)
