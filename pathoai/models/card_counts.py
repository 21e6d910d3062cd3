"""The counts on a model card: all of them, or as a card may bear them that is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pathoai.transparency.study_facts import published_count

SUBSETS = ("train", "validation", "test")
COUNTED = ("slides", "patients", "centres", "scanners")
_OF_PEOPLE = ("slides", "patients")
_NOT_RECORDED = "not recorded"
_NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class CardCounts:
    """What a model learnt from, and was measured on, in numbers or in their place.

    Args:
        subsets: Subset → what is counted → the count.
        labelled: Slides with labels.
        unused: Of these, slides in no subset.
    """

    subsets: Mapping[str, Mapping[str, str]]
    labelled: str
    unused: str

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> CardCounts:
        """Every count, for whoever may see the slides themselves.

        Args:
            training: Provenance of a bundle.
        """
        cohort, unused = training.get("cohort", {}), training.get("split", {}).get("unused", ())
        cells = {
            subset: {what: _text(cohort.get(subset, {}).get(what)) for what in COUNTED}
            for subset in SUBSETS
        }
        return cls(cells, str(len(training.get("slides", ()))), str(len(unused)))

    def published(self) -> CardCounts:
        """The same with counts below 11 masked, and with them all that they could follow from."""
        columns = {what: [self.subsets[subset][what] for subset in SUBSETS] for what in _OF_PEOPLE}
        columns["slides"] += [self.labelled, self.unused]
        small = {what for what, cells in columns.items() if any(map(_is_small, cells))}
        hides_slides = "slides" in small
        return CardCounts(
            {
                subset: {
                    what: _masked(cell) if what in small else cell for what, cell in row.items()
                }
                for subset, row in self.subsets.items()
            },
            _masked(self.labelled) if hides_slides else self.labelled,
            _masked(self.unused) if hides_slides else self.unused,
        )


def _text(count: object) -> str:
    return _NOT_RECORDED if count is None else str(count)


def _is_small(cell: str) -> bool:
    return cell.isdecimal() and published_count(int(cell)) != cell


def _masked(cell: str) -> str:
    """In a column in which a count is small no other is shown: differences would tell it."""
    if not cell.isdecimal():
        return cell
    return published_count(int(cell)) if _is_small(cell) else _NOT_SHOWN
