"""How a model of regions is asked and how it decides: kept in its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError, PathoaiError
from pathoai.metrics.class_probabilities import check_probabilities
from pathoai.metrics.expected_cost import CostMatrix

ANNOTATIONS, TISSUE = "annotations", "tissue"
"""Where regions come from: the journal, or squares laid over the tissue."""
_MOST_TURNS = 8


@dataclass(frozen=True, slots=True)
class RegionDecision:
    """What a bundle's ``decision`` says.

    Args:
        turns: How many of the eight turns and mirror images of a region are averaged, as logits.
        costs: Of wrong classes; the most probable class is decided where None.
        regions: Name of the source of regions that prediction takes where the user states none.

    Raises:
        InvalidValueError: Turns outside 1 to 8, or no source.
    """

    turns: int = 1
    costs: CostMatrix | None = None
    regions: str = ANNOTATIONS

    def __post_init__(self) -> None:
        """Refuse what no region could be asked by."""
        if not 1 <= self.turns <= _MOST_TURNS:
            raise InvalidValueError("turns", found=self.turns, allowed=f"1 to {_MOST_TURNS}")
        if not self.regions:
            raise InvalidValueError("regions", found=repr(self.regions), allowed="a source's name")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, where: str) -> RegionDecision:
        """As it is read from a bundle.

        Args:
            raw: The bundle's ``decision``; those of older bundles state no source.
            where: The bundle, named in the error.

        Raises:
            ModelError: It is malformed.
        """
        try:
            costs = raw.get("costs")
            return cls(
                int(raw["turns"]),
                None if costs is None else CostMatrix.from_dict(costs),
                str(raw.get("regions", ANNOTATIONS)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, PathoaiError) as error:
            raise ModelError(
                "the bundle does not say how to decide", where=where, found=str(error)
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        costs = {} if self.costs is None else {"costs": self.costs.to_dict()}
        return {"turns": self.turns, "regions": self.regions} | costs

    def decide(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Position of the class of each row ``(N,)``: of least expected cost, or most probable.

        Args:
            probabilities: ``(N, K)``, rows that sum to 1.

        Raises:
            InvalidValueError: They are no probabilities.
        """
        if self.costs is not None:
            return self.costs.decide(probabilities)
        return np.asarray(check_probabilities(probabilities).argmax(axis=1))
