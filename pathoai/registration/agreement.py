"""What speaks for a map between two slides: how many squares of tissue, each sought by itself, agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """How squares agree with one map at one scale.

    Args:
        mpp: Scale, µm per pixel of the fixed slide.
        squares: How many were sought.
        agreeing: How many lie within the tolerance of where the map says.
        tolerance_um: That tolerance.
        chance: Share that would agree if squares were found at random.
        similarity: Median correlation of those that agree, -1 to 1; 0 if none does.
    """

    mpp: float
    squares: int
    agreeing: int
    tolerance_um: float
    chance: float
    similarity: float

    @property
    def share(self) -> float:
        """Share of squares that agree."""
        return self.agreeing / self.squares if self.squares else 0.0

    @property
    def strength(self) -> float:
        """How unlikely it is that so many agree by chance, in nats: Chernoff's bound.

        Hoeffding W. Probability inequalities for sums of bounded random variables. JASA 1963.
        """
        share, chance = self.share, self.chance
        if share <= chance:
            return 0.0
        nats = share * np.log(share / chance)
        if share < 1:
            nats += (1 - share) * np.log((1 - share) / (1 - chance))
        return float(self.squares * nats)


@dataclass(frozen=True)
class Evidence:
    """What speaks for a map, from the coarsest to the finest scale compared.

    Args:
        levels: How squares agreed at each scale; none for a map that nothing speaks for.
    """

    levels: tuple[Agreement, ...]

    @property
    def best(self) -> Agreement:
        """The scale at which the agreement is least likely to be by chance."""
        nothing = Agreement(0.0, 0, 0, 0.0, 1.0, 0.0)
        return max(self.levels, key=lambda level: level.strength, default=nothing)
