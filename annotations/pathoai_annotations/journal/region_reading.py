"""What a reader said of a region of a slide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pathoai.errors import AnnotationError
from pathoai.geometry import Region

_MODEL = re.compile(r"[\w./:@+ -]{1,250}")
_COLUMNS = ("region_x", "region_y", "region_width", "region_height")


class Outcome(StrEnum):
    """What the reader decided."""

    ACCEPTED = "accepted"
    """What was proposed there is right."""
    REJECTED = "rejected"
    """It is wrong, and nothing came in its place."""
    CORRECTED = "corrected"
    """The reader changed it, and stands behind the result."""
    UNSURE = "unsure"
    """Someone else has to say."""


class RegionKind(StrEnum):
    """Why the region was shown: figures without bias need to tell these apart."""

    COSTLY = "costly"
    """To be wrong there would cost most."""
    RANDOM = "random"
    """Drawn at random, for figures without bias."""
    CONTROL = "control"
    """The model's word was hidden, to see what the reader says alone."""
    DISAGREEMENT = "disagreement"
    """Readers differ there."""
    CHOSEN = "chosen"
    """The reader went there himself."""
    AUDIT = "audit"
    """A label is judged there, and nothing that is proposed."""


@dataclass(frozen=True, slots=True)
class RegionReading:
    """A region that was read.

    Args:
        seq: Number of the entry in the journal.
        at: When the journal took it in, ISO 8601, UTC.
        slide_id: Code of the slide.
        region: Level-0 pixels.
        outcome: What the reader decided.
        kind: Why the region was shown.
        model: Name of the model whose word was read; empty where there was none.
        with_model: Whether the reader saw that word.
        seconds: He spent on it; None where nobody measured.
        comment: What he said of it.
        author: Code of the reader.
    """

    seq: int
    at: str
    slide_id: str
    region: Region
    outcome: Outcome
    kind: RegionKind
    model: str
    with_model: bool
    seconds: float | None
    comment: str | None
    author: str


def region_columns(region: Region) -> dict[str, float]:
    """A region by the names of the log's columns."""
    return dict(zip(_COLUMNS, (region.x, region.y, region.width, region.height), strict=True))


def region_in(row: Any) -> Region | None:  # noqa: ANN401 - a row of a query
    """The region of an entry; None where it is about none.

    Raises:
        InvalidValueError: The entry is damaged.
    """
    values = [getattr(row, name) for name in _COLUMNS]
    return None if values[0] is None else Region(*values)


def check_model(name: str) -> None:
    """Refuse what is no name of a model, so that no text enters the log that way.

    Raises:
        AnnotationError: It is none.
    """
    if not _MODEL.fullmatch(name):
        raise AnnotationError(
            "a model is given by its name",
            found=f"{len(name)} characters",
            allowed="1 to 250 letters, digits, spaces and . / : @ + - _",
        )
