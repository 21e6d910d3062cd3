"""How many annotations a package holds, by origin, status, class and annotator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.package.models import PackagedModel

DEMONSTRATION, READER, PROPOSER = "demonstration", "reader", "proposer"
"""Kinds of annotators."""
_DEMO = "demo"
_DIMENSIONS = ("origin", "status", "class", "annotator")


def is_demonstration(author: str) -> bool:
    """True for the codes under which the demonstration, not a pathologist, validates."""
    word, _, _ = author.casefold().replace("_", "-").partition("-")
    return word == _DEMO


@dataclass(slots=True)
class Annotator:
    """What one code did.

    Args:
        code: Who; never a name.
        edits: Edits of the packaged annotations, of any kind.
        validated: Packaged annotations that this code validated last.
        corrected: Packaged annotations that this code corrected last.
    """

    code: str
    edits: int = 0
    validated: int = 0
    corrected: int = 0

    @property
    def of_record(self) -> int:
        """Packaged annotations that this code stands behind."""
        return self.validated + self.corrected

    @property
    def kind(self) -> str:
        """``demonstration``, ``reader``, or ``proposer`` for who stands behind nothing."""
        if is_demonstration(self.code):
            return DEMONSTRATION
        return READER if self.of_record else PROPOSER


@dataclass(slots=True)
class Tally:
    """Counts, filled slide by slide."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in _DIMENSIONS}
    )
    by_slide: Counter[str] = field(default_factory=Counter)
    models: dict[PackagedModel, set[str]] = field(default_factory=dict)
    """Model → slides on which it proposed what is packaged."""
    _annotators: dict[str, Annotator] = field(default_factory=dict)

    def add(self, annotations: Iterable[Annotation], editors: Iterable[str]) -> None:
        """Count annotations of record, and the code behind each of the edits that led to them."""
        for annotation in annotations:
            self.by_slide[annotation.slide_id] += 1
            self.counts["origin"][annotation.origin.value] += 1
            self.counts["status"][annotation.status.value] += 1
            self.counts["class"][annotation.label] += 1
            self.counts["annotator"][annotation.author] += 1
            if (model := PackagedModel.of(annotation.derived_from)) is not None:
                self.models.setdefault(model, set()).add(annotation.slide_id)
            annotator = self._of(annotation.author)
            if annotation.status is Status.CORRECTED:
                annotator.corrected += 1
            else:
                annotator.validated += 1
        for code in editors:
            self._of(code).edits += 1

    def _of(self, code: str) -> Annotator:
        return self._annotators.setdefault(code, Annotator(code))

    @property
    def annotations(self) -> int:
        """All annotations."""
        return self.by_slide.total()

    @property
    def annotators(self) -> list[Annotator]:
        """Everyone who edited a packaged annotation, by code."""
        return [self._annotators[code] for code in sorted(self._annotators)]

    @property
    def by_demonstration(self) -> Literal["none", "some", "all"]:
        """Annotations that only the demonstration stands behind."""
        count = sum(a.of_record for a in self.annotators if a.kind == DEMONSTRATION)
        if not count:
            return "none"
        return "all" if count == self.annotations else "some"


def count_id(dimension: str, value: str) -> str:
    """How the crate names a count, e.g. ``status:validated``."""
    return f"{dimension}:{value}"
