"""Who was taken out of a study does not come in again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pathoai.errors import StudyError
from pathoai.privacy.tombstones import TABLE, Tombstones
from pathoai.study.cohort import CohortRow


def refuse_erased(study: Path, rows: Iterable[CohortRow]) -> None:
    """Refuse slides of people who opposed or were erased; none of the rows is named.

    Args:
        study: The study's folder.
        rows: What is about to be entered.

    Raises:
        StudyError: A slide or its patient has a tombstone.
    """
    stones = Tombstones.read(study / TABLE)
    held = [row for row in rows if stones.holds(row.slide_id) or stones.holds(row.patient_id)]
    if held:
        raise StudyError(
            "a slide is of somebody who was taken out of the study",
            where=TABLE,
            found=f"{len(held)} slides; none was entered",
            remedy="leave these slides out",
        )
