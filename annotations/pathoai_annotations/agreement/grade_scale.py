"""What the grades of whole slides are, in order, and what it costs to take one for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import OntologyError
from pathoai.metrics.expected_cost import CostMatrix, load_costs, shipped_costs
from pathoai.ontology import BACKGROUND_INDEX, Ontology


@dataclass(frozen=True)
class GradeScale:
    """The grades that are told apart.

    Args:
        names: Keys of the classes that stand for them; from least to most severe where ordinal.
        position: Key of any class that is a grade → its position.
        costs: ``(K, K)`` float64, symmetric: what it costs that two readers differ so, 0 to 1.
        costs_key: Name of the cost matrix; empty where none is shipped for the ontology: grades
            then cost their distance, and classes without an order 1.
        ordinal: Whether the grades have an order.
    """

    names: tuple[str, ...]
    position: Mapping[str, int]
    costs: NDArray[np.float64]
    costs_key: str
    ordinal: bool

    @classmethod
    def of(cls, ontology: Ontology, costs: CostMatrix | None = None) -> GradeScale:
        """The scale of an ontology.

        Classes of one rank, such as the kinds of a high-grade lesion, are one grade. Where classes
        have no rank, each is a grade of its own, without an order.

        Args:
            ontology: Of the study.
            costs: What wrong grades cost; those shipped for the ontology where None.

        Raises:
            OntologyError: The costs are for other grades.
        """
        groups = _ranks(ontology)
        ordinal = bool(groups)
        if not ordinal:
            groups = [[c.key] for c in ontology.classes if c.index != BACKGROUND_INDEX]
        names = tuple(group[0] for group in groups)
        position = {key: at for at, group in enumerate(groups) for key in group}
        chosen = costs or (_shipped(ontology) if ordinal else None)
        if chosen is None:
            return cls(names, position, _plain_costs(len(names), ordinal=ordinal), "", ordinal)
        array = _array(chosen, ontology, groups)
        return cls(names, position, (array + array.T) / 2, chosen.key, ordinal)

    @property
    def costs_words(self) -> str:
        """What differences cost, in words."""
        plain = "how many grades apart" if self.ordinal else "every difference the same"
        return self.costs_key or plain

    def cost(self, one: int, other: int) -> float:
        """What it costs that two readers say so."""
        return float(self.costs[one, other])


def grades_seen(scale: GradeScale, seen: Iterable[int]) -> NDArray[np.int64]:
    """Positions worth showing: all of an ordinal scale, else those that somebody said."""
    if scale.ordinal:
        return np.arange(len(scale.names))
    return np.array(sorted(set(seen)), np.int64)


def _ranks(ontology: Ontology) -> list[list[str]]:
    """Keys by rank; the first of each is no kind of another class where there is such a one."""
    ranks: dict[int, list[str]] = {}
    for label in sorted(ontology.classes, key=lambda c: c.parent is not None):
        if label.grade is not None:
            ranks.setdefault(label.grade, []).append(label.key)
    return [ranks[rank] for rank in sorted(ranks)]


def _plain_costs(number: int, *, ordinal: bool) -> NDArray[np.float64]:
    place = np.arange(number)
    distance = np.abs(place[:, None] - place) / max(number - 1, 1)
    return np.asarray(distance if ordinal else distance > 0, np.float64)


def _shipped(ontology: Ontology) -> CostMatrix | None:
    found = (load_costs(key) for key in shipped_costs())
    return next((costs for costs in found if costs.ontology == ontology.key), None)


def _array(costs: CostMatrix, ontology: Ontology, groups: list[list[str]]) -> NDArray[np.float64]:
    """The costs in the order of the scale; classes are matched by name, or else by rank."""
    at = []
    for group in groups:
        named = [costs.classes.index(key) for key in group if key in costs.classes]
        rank = ontology[group[0]].grade
        found = named[0] if named else rank
        if found is None or not 0 <= found < len(costs.classes):
            raise OntologyError(
                "these costs know nothing of a grade of the study",
                where=f"costs {costs.key}",
                found=group[0],
                allowed=", ".join(costs.classes),
            )
        at.append(found)
    return np.asarray(costs.array[np.ix_(at, at)])
