"""Cases that readers left to an adjudicator: both outlines side by side, and what he makes of them.

What each reader said is his state when he signed off, whatever others did to the annotation since.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Unpack

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.agreement.adjudication_queue import open_cases
from pathoai_annotations.agreement.disagreements import Disagreement
from pathoai_annotations.annotation import Annotation, Status, deterministic_id
from pathoai_annotations.journal.edit import EditDetails
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.settle import settle
from pathoai_annotations.readers.sign_off import adjudicate_slide, check_may_settle
from pathoai_annotations.readers.signed_work import last_sign_offs, outlines_of, sign_offs


class Choice(StrEnum):
    """What becomes of a case."""

    FIRST = "A"
    SECOND = "B"
    BOTH = "both"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Side:
    """What one reader said.

    Args:
        reader: Code of the reader.
        label: Key of the class that he said, or ``nothing``.
        outline: His annotation as he left it; None where he drew none, or said a grade.
    """

    reader: str
    label: str
    outline: Annotation | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a slide.

    Args:
        slide_id: Code of the slide.
        cost: What it costs to take the one for the other, 0 to 1.
        sides: What each reader said; two of an outline, two or more of the slide's grade.
        region: Of an outline, level-0 pixels; None where the grade of the whole slide differs.
    """

    slide_id: str
    cost: float
    sides: tuple[Side, ...]
    region: Region | None

    @property
    def is_grade(self) -> bool:
        """True where the grade of the whole slide is to be settled."""
        return self.region is None

    @property
    def outlines(self) -> tuple[Annotation, ...]:
        """The outlines that were drawn."""
        return tuple(side.outline for side in self.sides if side.outline is not None)


def cases_of(study: Study, slide_id: str, person: str) -> list[Case]:
    """The open cases of a slide, the costliest first.

    Args:
        study: The study.
        slide_id: Code of the slide.
        person: Code of who would settle them.

    Raises:
        AnnotationError: The person is not this slide's adjudicator.
        StudyError: There is no such slide, or a reader has still to sign it off.
    """
    known = check_may_settle(study, slide_id, person)
    found = [case for case in open_cases(study) if case.slide_id == known]
    with Journal.open(study) as journal:
        last = last_sign_offs(sign_offs(journal, known))
        signed = {reader: one for (_, reader), one in last.items()}
        drawn = outlines_of(journal.events(known), signed)
    return [_case(one, drawn) for one in found]


def _case(found: Disagreement, drawn: dict[str, dict[uuid.UUID, Annotation]]) -> Case:
    # The first who said something of an outline drew it; of a pair, each drew his own.
    ids = [uuid.UUID(one) for one in found.annotation_ids]
    ids_or_none = [*ids, *[None] * (len(found.said) - len(ids))]
    sides = tuple(
        Side(reader, label, None if one is None else drawn[reader].get(one))
        for (reader, label), one in zip(found.said, ids_or_none, strict=True)
    )
    return Case(found.slide_id, found.cost, sides, found.region)


class Adjudicator:
    """Has the last word on a slide's cases.

    Args:
        study: The study.
        journal: Of the study.
        slide_id: Code of the slide.
        person: Code of the adjudicator.

    Raises:
        AnnotationError: The person is not this slide's adjudicator.
        StudyError: There is no such slide, or a reader has still to sign it off.
    """

    def __init__(self, study: Study, journal: Journal, slide_id: str, person: str) -> None:
        """Refuse everybody else."""
        self._study, self._journal, self._person = study, journal, person
        self.slide_id = check_may_settle(study, slide_id, person)

    def take(self, case: Case, choice: Choice, **details: Unpack[EditDetails]) -> None:
        """Take one reader's outline, both, or neither.

        A reader who outlined nothing is right where his side is taken: the other's outline is
        rejected.

        Args:
            case: Of this slide.
            choice: Whose.
            **details: See `pathoai_annotations.journal.edit.Edit`.

        Raises:
            AnnotationError: The case is the grade of the whole slide, or an outline was deleted.
        """
        first, second = self._outlined(case)
        kept = {
            Choice.FIRST: (first,),
            Choice.SECOND: (second,),
            Choice.BOTH: (first, second),
            Choice.NEITHER: (),
        }[choice]
        self._settle(case, [one for one in kept if one is not None], **details)

    def take_own(self, case: Case, own: Annotation, **details: Unpack[EditDetails]) -> None:
        """An outline that the adjudicator has drawn takes the place of both.

        Args:
            case: Of this slide.
            own: What he drew.
            **details: See `pathoai_annotations.journal.edit.Edit`.

        Raises:
            AnnotationError: The case is the grade of the whole slide, what he drew is one of the
                readers' outlines, or lies on another slide.
        """
        self._outlined(case)
        if own.slide_id != self.slide_id or own.id in {one.id for one in case.outlines}:
            raise AnnotationError(
                "this is no outline of your own", where=own.id, remedy="draw one, and select it"
            )
        self._settle(case, [own], **details)

    def grade(self, grade: str, *, seconds: float | None = None, comment: str = "") -> None:
        """The last word on the grade of the slide.

        Raises:
            OntologyError: The grade is none of the study's.
        """
        adjudicate_slide(
            self._study,
            self.slide_id,
            adjudicator=self._person,
            grade=grade,
            journal=self._journal,
            seconds=seconds,
            comment=comment.strip() or None,
        )

    def _outlined(self, case: Case) -> tuple[Annotation | None, Annotation | None]:
        if case.is_grade or case.slide_id != self.slide_id:
            raise AnnotationError(
                "this case is no outline: choose the grade of the slide", where=case.slide_id
            )
        first, second = case.sides
        return first.outline, second.outline

    def _settle(
        self, case: Case, kept: Sequence[Annotation], **details: Unpack[EditDetails]
    ) -> None:
        """Reject what was drawn and not kept; all of it at once."""
        finals: dict[uuid.UUID, Annotation] = {
            one.id: replace(one, status=Status.REJECTED) for one in case.outlines
        }
        settled = set[uuid.UUID]()
        for one in kept:
            final = replace(one, status=Status.VALIDATED)
            if one.id in settled:
                # Both readers changed one proposal: the second outline becomes one of its own.
                own_id = deterministic_id(self.slide_id, str(one.id), one.label, one.geometry.wkt)
                final = replace(final, id=own_id, derived_from=f"annotation:{one.id}")
            finals[final.id] = final
            settled.add(final.id)
        settle(self._journal, list(finals.values()), **details)


def dashes(outline: BaseGeometry, dash: float) -> NDArray[np.float64]:
    """An outline as a broken line.

    Args:
        outline: Polygon or multi-polygon.
        dash: Length of a dash, and of the gap after it, in the outline's unit.

    Returns:
        ``(n, 2, 2)`` float64: x and y of where each dash starts and ends.
    """
    rings = [ring for part in shapely.get_parts(outline) for ring in shapely.get_rings(part)]
    pieces = []
    for ring in rings:
        start = np.arange(0.0, ring.length, 2 * dash)
        ends = np.minimum(start + dash, ring.length)
        points = [shapely.line_interpolate_point(ring, along) for along in (start, ends)]
        pieces.append(np.stack([shapely.get_coordinates(one) for one in points], axis=1))
    return np.concatenate(pieces) if pieces else np.empty((0, 2, 2))
