"""The counts of a package, made alike at build and at verification, small ones hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pathoai_annotations.package.csv_file import Row
from pathoai_annotations.package.small_counts import (
    ShownCounts,
    all_counts,
    is_small,
    without_small_counts,
)
from pathoai_annotations.package.tally import Annotator, Tally
from pathoai_annotations.package.tier import Tier

_SLIDE, _EDITS, _STAIN = "slide", "edits", "stain"
_NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class PackageCounts:
    """What may be told of how much there is.

    Args:
        annotations: By origin, status, class and annotator, and by slide.
        edits: By annotator.
        tier: Of the package.
        annotators: Everyone who edited a packaged annotation, as in the table.
    """

    annotations: ShownCounts
    edits: ShownCounts
    tier: Tier
    annotators: tuple[Row, ...]

    @classmethod
    def of(cls, tally: Tally, tier: Tier) -> PackageCounts:
        """The counts of a tally as a package of a tier shows them."""
        show = without_small_counts if tier.is_published else all_counts
        divisions = {**tally.counts, _SLIDE: tally.by_slide}
        annotations = show(tally.annotations, divisions)
        by_annotator = {a.code: a.edits for a in tally.annotators}
        edits = show(sum(by_annotator.values()), {_EDITS: by_annotator})
        # Annotator and status cross: where any cell is small, only the margins are shown.
        cells = [n for a in tally.annotators for n in (a.validated, a.corrected)]
        is_crossed = not (tier.is_published and any(map(is_small, cells)))
        rows = tuple(
            _annotator_row(a, edits.divisions[_EDITS][a.code], is_crossed=is_crossed)
            for a in tally.annotators
        )
        return cls(annotations, edits, tier, rows)

    @property
    def total(self) -> str:
        """Of all annotations."""
        return self.annotations.total

    @property
    def by_slide(self) -> Mapping[str, str]:
        """Annotations by code of the slide."""
        return self.annotations.divisions[_SLIDE]

    def lines(self) -> list[tuple[str, str, str]]:
        """Dimension, value and number of annotations, in a fixed order; not by slide."""
        return [
            (dimension, value, parts[value])
            for dimension, parts in self.annotations.divisions.items()
            if dimension != _SLIDE
            for value in sorted(parts)
        ]


def stain_counts(stains: Iterable[str], tier: Tier) -> ShownCounts:
    """How many slides have which stain; the total is that of the slides.

    Args:
        stains: Of each slide.
        tier: Of the package.
    """
    counted = Counter(stains)
    show = without_small_counts if tier.is_published else all_counts
    return show(counted.total(), {_STAIN: counted})


def case_count(cases: int, tier: Tier) -> str:
    """How many people a package is about."""
    show = without_small_counts if tier.is_published else all_counts
    return show(cases, {}).total


def _annotator_row(annotator: Annotator, edits: str, *, is_crossed: bool) -> Row:
    return {
        "code": annotator.code,
        "kind": annotator.kind,
        "edits": edits,
        "validated": str(annotator.validated) if is_crossed else _NOT_SHOWN,
        "corrected": str(annotator.corrected) if is_crossed else _NOT_SHOWN,
    }
