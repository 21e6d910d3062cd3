"""Which slides of a study show one section twice: in H&E, and stained again for a marker."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pathoai.errors import StudyError
from pathoai.study.cohort import Cohort, CohortRow

HE = "HE"


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
        StudyError: The cohort names no pair, a pair has no H&E slide or several, or nothing
            restained; or a slide named is part of none.
    """
    terms: dict[str, list[CohortRow]] = {}
    for row in cohort:
        if row.pair:
            terms.setdefault(row.pair, []).append(row)
    if not terms:
        raise StudyError(
            "the cohort names no pair of slides",
            where="cohort.csv, column pair",
            remedy="give the H&E slide and its restained twin the same short term there",
        )
    found = [pair for term, rows in terms.items() for pair in _pairs_of_term(term, rows)]
    if slides is None:
        return found
    named = [p for p in found if {p.fixed.slide_id, p.moving.slide_id} & set(slides)]
    _check_all_named(named, slides)
    return named


def _pairs_of_term(term: str, rows: list[CohortRow]) -> list[SlidePair]:
    fixed = [row for row in rows if row.stain == HE]
    moving = [row for row in rows if row.stain != HE]
    if len(fixed) != 1 or not moving:
        raise StudyError(
            "a pair is one H&E slide and what was restained of it",
            where=f"cohort.csv, pair {term}",
            found=f"{len(fixed)} in H&E, {len(moving)} restained",
            allowed="1 in H&E, 1 or more restained",
            remedy="correct the columns pair and stain",
        )
    return [SlidePair(fixed[0], row) for row in moving]


def _check_all_named(pairs: list[SlidePair], slides: Collection[str]) -> None:
    known = {code for pair in pairs for code in (pair.fixed.slide_id, pair.moving.slide_id)}
    for slide_id in slides:
        if slide_id not in known:
            raise StudyError(
                "the slide is part of no pair",
                where="cohort.csv, column pair",
                found=slide_id,
                remedy="give it and its twin the same short term there, or leave it out",
            )
