"""Labels from restained slides, held against the pairs that the cohort states now."""

from __future__ import annotations

from collections.abc import Mapping

from pathoai.study.cohort import Cohort


def lost_its_pair(cohort: Cohort, slide_id: str, about: Mapping[str, object]) -> bool:
    """Whether a label was made from a slide that is no longer the pair of the one it lies on.

    Args:
        cohort: The slides of the study.
        slide_id: Code of the labelled slide.
        about: What the label says of its origin.
    """
    restained = about.get("restained_slide")
    if restained is None:
        return False
    terms = {row.slide_id: row.pair for row in cohort}
    return not terms[slide_id] or terms.get(str(restained)) != terms[slide_id]
