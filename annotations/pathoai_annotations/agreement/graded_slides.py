"""What each reader, and a model, said of each slide as a whole, in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.krippendorff_alpha import MISSING


@dataclass(frozen=True)
class GradedSlides:
    """Grades in a table of slides by readers.

    Args:
        slide_ids: ``N`` codes of the slides.
        patients: ``N`` codes of their patients; of an unknown one, the slide stands for itself.
        readers: ``R`` codes of the readers.
        values: ``(N, R)`` int64 positions on the scale of grades; -1 where a reader signed off no
            grade.
        model: Name of the model; empty where there is none.
        said_by_model: ``(N,)`` int64 likewise; -1 where it left the slide to the doctor or did not
            see it.
    """

    slide_ids: tuple[str, ...]
    patients: tuple[str, ...]
    readers: tuple[str, ...]
    values: NDArray[np.int64]
    model: str = ""
    said_by_model: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together."""
        number = len(self.slide_ids)
        shapes = [len(self.patients), self.values.shape]
        good = self.values.shape == (number, len(self.readers)) and len(self.patients) == number
        if not good or (self.said_by_model is not None and self.said_by_model.shape != (number,)):
            raise InvalidValueError("columns of grades", found=shapes, allowed="one length")

    @classmethod
    def of(
        cls,
        grades: Mapping[str, Mapping[str, int]],
        patients: Mapping[str, str],
        readers: Sequence[str],
        model: tuple[str, Mapping[str, int]] | None = None,
    ) -> GradedSlides:
        """From grades by slide and reader.

        Args:
            grades: Slide → reader → position.
            patients: Slide → code of its patient, empty where not known.
            readers: Codes, in the order of the columns.
            model: Its name, and slide → position.
        """
        slides = tuple(grades)
        table = [[grades[s].get(r, MISSING) for r in readers] for s in slides]
        values = np.array(table, np.int64).reshape(len(slides), len(readers))
        name, said = ("", None) if model is None else model
        column = (
            None if said is None else np.array([said.get(s, MISSING) for s in slides], np.int64)
        )
        named = tuple(patients.get(s) or f"slide {s}" for s in slides)
        return cls(slides, named, tuple(readers), values, name, column)

    def __len__(self) -> int:
        """Number of slides."""
        return len(self.slide_ids)

    @property
    def reader_pairs(self) -> list[tuple[str, str]]:
        """Each reader with each other."""
        return list(combinations(self.readers, 2))

    @property
    def model_pairs(self) -> list[tuple[str, str]]:
        """Each reader with the model."""
        return [(reader, self.model) for reader in self.readers] if self.model else []

    def column(self, rater: str) -> NDArray[np.int64]:
        """What a reader, or the model, said of each slide, ``(N,)``."""
        if self.said_by_model is not None and rater == self.model:
            return self.said_by_model
        return np.asarray(self.values[:, self.readers.index(rater)])
