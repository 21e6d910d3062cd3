"""Which slides of a study show one section twice: in H&E, and stained again for a marker."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pathoai.errors import StudyError
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.stain import is_routine


@dataclass(frozen=True, slots=True)
class SlidePair:
    """One section on two scans.

    Args:
        fixed: The H&E slide, which gets the labels.
        moving: The same section restained by immunohistochemistry.
    """

    fixed: CohortRow
    moving: CohortRow

    @property
    def marker(self) -> str:
        """What the restained slide shows, e.g. ``AE1AE3``."""
        return self.moving.marker or self.moving.stain

    @property
    def name(self) -> str:
        """Both codes, for people and file names."""
        return f"{self.fixed.slide_id}--{self.moving.slide_id}"


def pairs_of(cohort: Cohort, slides: Collection[str] | None = None) -> list[SlidePair]:
    """Every pair that the cohort names, in its order.

    Slides of one pair share a term in the column ``pair``: one H&E slide, and one or more that
    were restained.

    Args:
        cohort: The slides of the study.
        slides: Only pairs in which one of these codes takes part; None for all.

    Raises:
        StudyError: The cohort names no pair, a pair has no H&E slide or several, nothing
            restained, or slides of two patients or blocks; or a slide named is part of none.
    """
    found, faults = sound_pairs(cohort, slides)
    for fault in faults.values():
        raise fault
    return found


def sound_pairs(
    cohort: Cohort, slides: Collection[str] | None = None
) -> tuple[list[SlidePair], dict[str, StudyError]]:
    """The same, with what is wrong with the others by their terms: one does not stop the rest.

    Args:
        cohort: The slides of the study.
        slides: Only pairs in which one of these codes takes part; None for all.

    Raises:
        StudyError: The cohort names no pair, or a slide named is part of none.
    """
    terms: dict[str, list[CohortRow]] = {}
    for row in cohort:
        if row.pair:
            terms.setdefault(row.pair, []).append(row)
    if not terms:
        raise StudyError(
            "the cohort names no pair of slides",
            where="cohort.csv, column pair",
            remedy="give the H&E slide and its restained twin the same short term there: "
            "`pathoai add --pair`, or a column pair for `pathoai cohort import`",
        )
    if slides is not None:
        _check_all_named(terms, slides)
    pairs: list[SlidePair] = []
    faults: dict[str, StudyError] = {}
    for term, rows in terms.items():
        if slides is not None and not any(row.slide_id in slides for row in rows):
            continue
        try:
            pairs += _pairs_of_term(term, rows)
        except StudyError as error:
            faults[term] = error
    if slides is not None:
        pairs = [p for p in pairs if p.fixed.slide_id in slides or p.moving.slide_id in slides]
    return pairs, faults


def _pairs_of_term(term: str, rows: list[CohortRow]) -> list[SlidePair]:
    fixed = [row for row in rows if is_routine(row.stain)]
    moving = [row for row in rows if not is_routine(row.stain)]
    if len(fixed) != 1 or not moving:
        raise StudyError(
            "a pair is one H&E slide and what was restained of it",
            where=f"cohort.csv, pair {term}",
            found=f"{len(fixed)} in H&E, {len(moving)} restained",
            allowed="1 in H&E, 1 or more restained",
            remedy="correct the columns pair and stain",
        )
    _check_one_person(term, rows)
    return [SlidePair(fixed[0], row) for row in moving]


def _check_one_person(term: str, rows: list[CohortRow]) -> None:
    """A section has one patient and one block: scans of two were paired by mistake."""
    for name, noun in (("patient_id", "patient"), ("block_id", "block")):
        found = {getattr(row, name) for row in rows} - {""}
        if len(found) > 1:
            raise StudyError(
                f"a pair shows one section, and cannot be of two {noun}s",
                where=f"cohort.csv, pair {term}",
                found=", ".join(f"{row.slide_id} of {getattr(row, name)}" for row in rows),
                remedy="correct the column pair: each section needs a term of its own",
            )


def _check_all_named(terms: dict[str, list[CohortRow]], slides: Collection[str]) -> None:
    known = {row.slide_id for rows in terms.values() for row in rows}
    for slide_id in slides:
        if slide_id not in known:
            raise StudyError(
                "the slide is part of no pair",
                where="cohort.csv, column pair",
                found=slide_id,
                remedy="give it and its twin the same short term there, or leave it out",
            )
