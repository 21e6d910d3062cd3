"""The same tissue in another stain: which slides of a study belong to one slide."""

from __future__ import annotations

from pathoai.store.slide_store import is_complete
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study


def twins_of(study: Study, slide_id: str) -> tuple[CohortRow, ...]:
    """The tiled slides that show the tissue of a slide in another stain.

    Those of its pair, where the cohort says which slides are pairs (one section, stained again);
    else those of its block (sections of one piece of tissue), in the order of the cohort.

    Args:
        study: The study.
        slide_id: One of its slides.

    Raises:
        StudyError: The study has no such slide.
    """
    cohort = study.cohort
    row = cohort[slide_id]
    others = [other for other in cohort if other.slide_id != slide_id and _is_other(row, other)]
    pairs = [other for other in others if row.pair and other.pair == row.pair]
    found = pairs or [o for o in others if row.block_id and o.block_id == row.block_id]
    return tuple(o for o in found if is_complete(study.store_path(o.slide_id)))


def _is_other(row: CohortRow, other: CohortRow) -> bool:
    return (row.stain, row.marker) != (other.stain, other.marker)


def stain_name(row: CohortRow) -> str:
    """How a slide is stained, in the cohort's words."""
    return row.marker or row.stain


def may_be_registered(study: Study, slide_id: str, row: CohortRow) -> bool:
    """Whether two slides are of one section, and a transform between them lies in the study.

    Args:
        study: The study.
        slide_id: One of its slides.
        row: Another one.
    """
    pair = study.cohort[slide_id].pair
    if not pair or row.pair != pair:
        return False
    ends = (slide_id, row.slide_id)
    return any(study.registration_path(*way).is_file() for way in (ends, ends[::-1]))
