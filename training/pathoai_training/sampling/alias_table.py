"""Draws from a discrete distribution in constant time, each given by its number alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORDS = 4
"""64-bit words in a block of Philox: one block for each draw."""


@dataclass(frozen=True, slots=True)
class AliasTable:
    """A distribution over ``K`` outcomes as K equally likely pairs (Walker 1977).

    Args:
        keep: ``(K,)`` float64: probability that a column gives its own outcome.
        alias: ``(K,)`` int64: outcome that it gives otherwise.
    """

    keep: NDArray[np.float64]
    alias: NDArray[np.int64]

    @classmethod
    def of(cls, weights: NDArray[np.float64]) -> AliasTable:
        """The table of a distribution proportional to weights, built in O(K) (Vose 1991).

        Args:
            weights: ``(K,)``, none negative, some positive.
        """
        scaled = (weights * (len(weights) / weights.sum())).tolist()
        keep, alias = np.ones(len(scaled)), np.arange(len(scaled))
        small = [i for i, w in enumerate(scaled) if w < 1]
        large = [i for i, w in enumerate(scaled) if w >= 1]
        while small and large:
            poor, rich = small.pop(), large[-1]
            keep[poor], alias[poor] = scaled[poor], rich
            scaled[rich] -= 1 - scaled[poor]
            if scaled[rich] < 1:
                small.append(large.pop())
        # What is left is 1 but for rounding, and keeps all of itself.
        return cls(keep, alias)

    def draw(self, column: NDArray[np.float64], coin: NDArray[np.float64]) -> NDArray[np.int64]:
        """Outcomes, ``(N,)``.

        Args:
            column: ``(N,)`` uniform in [0, 1): chooses the pair.
            coin: ``(N,)`` likewise: chooses within the pair.
        """
        chosen = (column * len(self.keep)).astype(np.int64)
        return np.where(coin < self.keep[chosen], chosen, self.alias[chosen])


def numbered_uniforms(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """Uniform numbers of consecutive draws, a pure function of seed and draw number.

    Philox is a counter-based generator (Salmon et al. 2011): draw ``n`` reads block ``n``, whatever
    was drawn before.

    Args:
        seed: 0 or more.
        first: Number of the first draw.
        count: How many draws.

    Returns:
        ``(count, 4)`` float64 in [0, 1).
    """
    words = np.random.Philox(key=seed, counter=first).random_raw(count * _WORDS)
    bits = words.reshape(count, _WORDS) >> np.uint64(11)  # the 53 that a double holds
    return np.asarray(bits * 2.0**-53, np.float64)
