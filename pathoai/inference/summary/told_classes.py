"""Which groups of an ontology's summary a model tells apart, and by which values of its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pathoai.ontology import Ontology
from pathoai.summary_rules import TISSUE, Measure


@dataclass(frozen=True)
class ToldClasses:
    """The classes of a model, seen through the groups of its ontology.

    Args:
        ontology: With rules.
        classes: Values of the model's classes by their keys, without background.
    """

    ontology: Ontology
    classes: Mapping[str, int]

    def values(self, group: str) -> frozenset[int]:
        """Values of a group's classes; empty where the model tells none of them."""
        return self._kinds_of(self.ontology.summary.groups[group].classes)

    def held(self, group: str) -> frozenset[int]:
        """Values of what a group may hold, and which then hides it."""
        return self._kinds_of(self.ontology.summary.groups[group].holds) - self.values(group)

    def ground_of(self, value: int) -> frozenset[int]:
        """Values of the groups that may hold a class: what one of it can lie in."""
        holders = (g for g in self.ontology.summary.groups if value in self.held(g))
        return frozenset().union(*(self.values(group) for group in holders))

    def missing(self, measures: Sequence[Measure]) -> tuple[str, ...]:
        """Groups that measures need and the model does not tell, with their classes."""
        rules = self.ontology.summary
        needed = [group for m in measures for group in m.groups if group != TISSUE]
        needed += [rules.zones[m.within].around for m in measures if m.within]
        needed += [m.inside for m in measures if m.inside]
        return tuple(
            f"{group.replace('_', ' ')} ({' or '.join(rules.groups[group].classes)})"
            for group in dict.fromkeys(needed)
            if not self.values(group)
        )

    def _kinds_of(self, keys: tuple[str, ...]) -> frozenset[int]:
        return frozenset(
            value
            for key, value in self.classes.items()
            if key in self.ontology and not set(keys).isdisjoint(self.ontology.ancestors(key))
        )
