"""Whose predictions are judged: coded ids, and what a breakdown goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import StudyError
from pathoai.privacy.pseudonym import is_code

NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class EvaluatedSlides:
    """Columns, one entry per evaluated item: a slide, or one region of it.

    Args:
        slide_ids: Code of each item's slide.
        patient_ids: Code of its patient; empty where not known.
        centre_ids: Code of its centre; empty where not known.
        scanners: Model of its scanner; empty where not known.
        stain_batches: Name of its stain batch; empty where not known.

    Raises:
        StudyError: Columns differ in length, or an id is no code.
    """

    slide_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    centre_ids: tuple[str, ...] = ()
    scanners: tuple[str, ...] = ()
    stain_batches: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names where codes belong; fill columns that were not given."""
        for field in fields(self):
            column = getattr(self, field.name)
            if not column:
                column = ("",) * len(self)
                object.__setattr__(self, field.name, column)
            if len(column) != len(self):
                raise StudyError(
                    "columns of evaluated slides differ in length",
                    where=field.name,
                    found=len(column),
                    allowed=len(self),
                )
            coded = field.name.endswith("_ids")
            if coded and not all(is_code(value) for value in column if value):
                raise StudyError(
                    "a report holds codes only",
                    where=field.name,
                    allowed="16 characters made by `pathoai add`",
                )
        if not all(self.slide_ids):
            raise StudyError("an evaluated slide needs a code", where="slide_ids")

    def __len__(self) -> int:
        """Number of items."""
        return len(self.slide_ids)

    @property
    def patients(self) -> tuple[str, ...]:
        """What is resampled: the patient, or the slide itself where its patient is not known."""
        pairs = zip(self.patient_ids, self.slide_ids, strict=True)
        return tuple(patient or f"slide {slide}" for patient, slide in pairs)

    @property
    def without_patient(self) -> int:
        """Number of slides whose patient is not known."""
        pairs = zip(self.slide_ids, self.patient_ids, strict=True)
        return len({slide for slide, patient in pairs if not patient})

    def groupings(self) -> Mapping[str, NDArray[np.str_]]:
        """Centre, scanner and stain batch of each item, where any is known."""
        columns = {
            "centre": self.centre_ids,
            "scanner": self.scanners,
            "stain batch": self.stain_batches,
        }
        return {
            name: np.array([v or NOT_KNOWN for v in column])
            for name, column in columns.items()
            if any(column)
        }

    def chosen(self, positions: NDArray[np.int64]) -> EvaluatedSlides:
        """Some of the items, in that order."""
        return EvaluatedSlides(
            *(tuple(getattr(self, f.name)[i] for i in positions) for f in fields(self))
        )
