"""Where measures look: in a zone, in what a group is the most of the surroundings of, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.summary.cell_counts import CellCounts
from pathoai.inference.summary.told_classes import ToldClasses
from pathoai.summary_rules import AREA, COUNT, TISSUE, Measure

Mask = NDArray[np.bool_]
Where = tuple[str, str]
EVERYWHERE: Where = ("", "")


@dataclass(frozen=True)
class Places:
    """Cells of a slide, by what is asked of them.

    Args:
        told: The model's classes.
        cells: Counts of all of them.
    """

    told: ToldClasses
    cells: CellCounts
    _known: dict[tuple[object, ...], Mask] = field(default_factory=dict, repr=False)

    def counted(self) -> dict[Where, Mapping[int, Mask]]:
        """By each place in which rules count objects: the cells in which one of a class counts."""
        measures = (m for m in applicable_measures(self.told) if m.kind == COUNT)
        found: dict[Where, dict[int, Mask]] = {}
        for measure in measures:
            if measure.where != EVERYWHERE:
                values = (v for group in measure.groups for v in self.told.values(group))
                masks = {value: self._mask(measure.where, value) for value in values}
                found.setdefault(measure.where, {}).update(masks)
        return dict(found)

    def mm2(self, measure: Measure) -> float:
        """Area of a measure's groups at its place, with what hides them where they are most."""
        total = 0.0
        for group in measure.groups:
            for value in sorted(self.told.values(group)):
                total += self.cells.mm2(value, self._mask(measure.where, value))
            for value in sorted(self.told.held(group)):
                where = self._mask(measure.where, value) & self._mostly(group, value)
                total += self.cells.mm2(value, where)
        return total

    def _mask(self, where: Where, value: int) -> Mask:
        within, inside = where
        mask = self._zone(within)
        return mask & self._mostly(inside, value) if inside else mask

    def _zone(self, key: str) -> Mask:
        if (key,) not in self._known:
            self._known[(key,)] = self._found_zone(key)
        return self._known[(key,)]

    def _found_zone(self, key: str) -> Mask:
        if not key:
            return np.ones(self.cells.pixels.shape[1:], np.bool_)
        zone = self.told.ontology.summary.zones[key]
        pixels = self.cells.summed(self.told.values(zone.around))
        for value in self.told.held(zone.around):
            pixels += self.cells.summed({value}) * self._mostly(zone.around, value)
        return self.cells.zone(pixels, zone.closing_um)

    def _mostly(self, group: str, value: int) -> Mask:
        """Where a group is more than half of all that a class may lie in."""
        own = self.told.values(group)
        ground = own | self.told.ground_of(value)
        if (own, ground) not in self._known:
            self._known[own, ground] = self.cells.mostly(own, ground)
        return self._known[own, ground]


def applicable_measures(told: ToldClasses) -> list[Measure]:
    """Those of the rules whose groups the model tells."""
    rules = told.ontology.summary.rules
    return [m for rule in rules if not told.missing(rule.measures) for m in rule.measures]


def asks_for_cells(told: ToldClasses) -> bool:
    """True where a measure looks at a place, or at a group with something hidden in it."""
    measures = applicable_measures(told)
    measured = {g for m in measures if m.kind == AREA for g in m.groups if g != TISSUE}
    return any(m.where != EVERYWHERE for m in measures) or any(map(told.held, measured))
