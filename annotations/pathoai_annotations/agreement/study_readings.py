"""All that agreement rests on, gathered from a study: only what was signed off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pathoai.errors import StudyError
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.study import Study
from pathoai_annotations.agreement.asked_model import AskedModel
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.graded_slides import GradedSlides
from pathoai_annotations.agreement.model_readings import model_grade, model_outlines
from pathoai_annotations.agreement.outlined_slides import (
    OutlinedSlide,
    Outlines,
    counted_classes,
)
from pathoai_annotations.agreement.reading_times import TimedReading
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import READING, Role
from pathoai_annotations.readers.progress import Reading, readings
from pathoai_annotations.readers.signed_work import (
    SignOff,
    outlines_of,
    sign_offs,
    timed_regions,
)


@dataclass(frozen=True)
class StudyReadings:
    """The signed work of a study.

    Args:
        scale: Of grades.
        grades: What readers and the model said of slides.
        outlined: What they outlined, on tiled slides.
        slide_times: Of whole slides.
        region_times: Of regions.
        readings: Who was to read what, and has.
        without_store: Signed slides whose scale is not known because they are not tiled.
        model: What is held against the readers.
    """

    scale: GradeScale
    grades: GradedSlides
    outlined: tuple[OutlinedSlide, ...]
    slide_times: tuple[TimedReading, ...]
    region_times: tuple[TimedReading, ...]
    readings: tuple[Reading, ...]
    without_store: tuple[str, ...]
    model: AskedModel

    @property
    def missing(self) -> list[Reading]:
        """Readings that were assigned and not signed off; nothing of them counts."""
        return [one for one in self.readings if one.role in READING and one.signed is None]


def gather_readings(
    study: Study, scale: GradeScale, *, model: str = "", roll_up: bool = False
) -> StudyReadings:
    """Read everything once.

    Args:
        study: The study.
        scale: Of its grades.
        model: Name of a model to be held against the readers; none where empty.
        roll_up: Whether outlines count with the topmost class that theirs is a kind of.

    Raises:
        StudyError: Nobody signed anything off, or the model said nothing of any slide that may
            count for it.
        ModelError: The model's bundle is malformed.
    """
    found = readings(study)
    done = [one for one in found if one.signed and one.role is not Role.ADJUDICATOR]
    if not done or not study.has_journal:
        raise StudyError(
            "no reader has signed off a slide yet",
            where=study.path.name,
            remedy="sign off by `pathoai readers sign-off STUDY --reader CODE --slide ID`, or "
            "collect the reading rooms by `pathoai readers collect`",
        )
    with Journal.open(study) as journal:
        work = _Work(study, journal, scale, AskedModel.of(study, model), roll_up)
        for slide_id, ones in _by_slide(done).items():
            work.add(slide_id, ones)
        work.add_slide_times()
    return work.result(found)


def _by_slide(done: Sequence[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for one in done:
        found[one.slide_id].append(one)
    return found


class _Work:
    """What is gathered slide by slide."""

    def __init__(
        self, study: Study, journal: Journal, scale: GradeScale, model: AskedModel, roll_up: bool
    ) -> None:
        self._study, self._journal, self._scale = study, journal, scale
        self._model, self._ontology = model, study.ontology
        self._counts_as = counted_classes(self._ontology, roll_up=roll_up)
        self._patients = {row.slide_id: row.patient_id for row in study.cohort}
        self._signed: dict[str, list[SignOff]] = defaultdict(list)
        for one in sign_offs(journal):
            if one.slide_id in self._patients and not one.reopened:
                self._signed[one.slide_id].append(one)
        self._grades: dict[str, dict[str, int]] = {}
        self._said_by_model: dict[str, int] = {}
        self._outlined: list[OutlinedSlide] = []
        self._region_times: list[TimedReading] = []
        self._slide_times: list[TimedReading] = []
        self._without_store: list[str] = []
        self._seen_by_model = False

    def add(self, slide_id: str, ones: Sequence[Reading]) -> None:
        """One slide and its signed readings."""
        signed = {one.reader: one.signed for one in ones if one.signed is not None}
        graded = {r: s.grade for r, s in signed.items() if s.grade}
        self._grades[slide_id] = {r: self._position(key, slide_id) for r, key in graded.items()}
        may_ask = bool(self._model.name) and slide_id not in self._model.known_slides
        if may_ask:
            self._ask_model(slide_id)
        events = list(self._journal.events(slide_id))
        for one in timed_regions(events, self._signed[slide_id]):
            patient = self._patient(slide_id)
            timed = TimedReading(patient, one.reader, one.label, one.seconds, one.with_model)
            self._region_times.append(timed)
        if not is_complete(self._study.store_path(slide_id)):
            self._without_store.append(slide_id)
            return
        outlines = {
            reader: Outlines.of(
                ((str(i), a.label, a.geometry) for i, a in found.items()), self._counts_as
            )
            for reader, found in outlines_of(events, signed).items()
        }
        if may_ask:
            predicted = model_outlines(self._study, self._model, slide_id, self._ontology)
            if predicted is not None:
                self._seen_by_model = True
                outlines[self._model.name] = Outlines.of(
                    (("", label, outline) for label, outline in predicted), self._counts_as
                )
        mpp = SlideStore(self._study.store_path(slide_id)).header.slide_mpp
        self._outlined.append(OutlinedSlide(slide_id, self._patient(slide_id), mpp, outlines))

    def _ask_model(self, slide_id: str) -> None:
        key = model_grade(self._study, self._model, slide_id)
        if key is not None:
            self._seen_by_model = True
            self._said_by_model[slide_id] = self._position(key, slide_id)

    def _patient(self, slide_id: str) -> str:
        return self._patients[slide_id] or f"slide {slide_id}"

    def add_slide_times(self) -> None:
        """Every timed sign-off, also earlier ones of slides that were read twice."""
        for slide_id, ones in self._signed.items():
            for one in ones:
                if one.seconds is None or one.with_model is None:
                    continue
                at = self._position(one.grade, slide_id) if one.grade else None
                grade = "" if at is None else self._scale.names[at]
                patient = self._patient(slide_id)
                timed = TimedReading(patient, one.reader, grade, one.seconds, one.with_model)
                self._slide_times.append(timed)

    def _position(self, key: str, slide_id: str) -> int:
        """Where a grade stands; an older ontology may have had others."""
        if key not in self._scale.position:
            raise StudyError(
                "a slide was given what is no grade of the study",
                where=slide_id,
                found=repr(key),
                allowed=", ".join(self._scale.position),
                remedy="sign the slide off again",
            )
        return self._scale.position[key]

    def result(self, found: Sequence[Reading]) -> StudyReadings:
        """All of it, in columns."""
        if self._model.name and not self._seen_by_model:
            raise self._nothing_said()
        readers = sorted(
            {
                one.reader
                for one in found
                if one.slide_id in self._grades and one.signed and one.role is not Role.ADJUDICATOR
            }
        )
        model = (self._model.name, self._said_by_model) if self._said_by_model else None
        return StudyReadings(
            self._scale,
            GradedSlides.of(self._grades, self._patients, readers, model),
            tuple(self._outlined),
            tuple(self._slide_times),
            tuple(self._region_times),
            tuple(found),
            tuple(self._without_store),
            self._model,
        )

    def _nothing_said(self) -> StudyError:
        name, known = self._model.name, len(self._grades.keys() & self._model.known_slides)
        if known == len(self._grades):
            return StudyError(
                "the model learnt from the patients of every slide that was signed off, so its "
                "agreement would say nothing of new ones",
                where=self._study.path.name,
                found=f"{name}, {known} slides",
                remedy="have readers sign off slides of the split's test, or of patients added "
                "later; train a model again whose bundle does not note yet what it learnt from",
            )
        return StudyError(
            "the model, as it is now, said nothing of any slide that was signed off",
            where=self._study.path.name,
            found=f"{name}; {known} of {len(self._grades)} slides are of patients it learnt from",
            remedy=f"run `pathoai predict STUDY --model {name}` first",
        )
