"""What a model says of a whole slide, and where on the slide it looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

REFER = "refer"
"""The decision on a slide that the doctor grades."""
ATTENTION = "attention"
"""The channel of the label that shows what tiles weighed, and what its ``about`` says of it."""


@dataclass(frozen=True, slots=True)
class SlideGrade:
    """A proposal; a doctor decides.

    Args:
        slide_id: Code of the slide.
        classes: Keys of the grades, from least to most severe.
        probabilities: Of each, calibrated.
        decision: Key of a grade, or ``refer``.
        prediction_set: Grades that cannot be excluded at the model's stated rate.
        familiarity: Share of slides like those of the validation that lie as far out or farther.
        notes: What the reader should know besides, a sentence each.
        tiles: How many the model saw.
    """

    slide_id: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    decision: str
    prediction_set: tuple[str, ...]
    familiarity: float
    notes: tuple[str, ...]
    tiles: int

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SlideGrade:
        """As it is read from a file."""
        columns = ("classes", "probabilities", "prediction_set", "notes")
        return cls(**{**raw, **{name: tuple(raw[name]) for name in columns}})

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a file."""
        return asdict(self)

    @property
    def is_referred(self) -> bool:
        """True where the model leaves the grade to the doctor."""
        return self.decision == REFER

    @property
    def summary(self) -> str:
        """One line for people."""
        said = "refer to the doctor" if self.is_referred else self.decision
        pairs = zip(self.classes, self.probabilities, strict=True)
        shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in pairs)
        return f"{said} ({shares})" + "".join(f"; {note}" for note in self.notes)
