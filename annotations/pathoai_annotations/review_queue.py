"""What a pathologist should see next: regions whose review is expected to teach most.

A region's worth is the product of three parts, each 0 to 1. *Cost*: what the model's decision there
is still expected to cost, or, without a cost matrix, its uncertainty. *Rarity*: how seldom its
class was judged before. *Diversity*: how far its mix of classes is from everything judged or
already in the queue; regions are taken one after the other, the best first, so that each choice
lowers the worth of its likes (farthest-first traversal: Gonzalez TF. Theor Comput Sci 1985; as a
core set: Sener O, Savarese S. ICLR 2018).

A stated share is drawn at random instead, from all regions alike: only these say without bias how
good the model is. They are spread over the queue, so that the share holds wherever the reader
stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError


@dataclass(frozen=True)
class CandidateRegions:
    """Regions that a model predicted, in columns.

    Args:
        slide_ids: Codes of the slides.
        slide: ``(N,)`` int32 position of each region's slide among them.
        bounds: ``(N, 4)`` float64 x, y, width, height, level-0 pixels.
        shares: ``(N, K)`` float32 mean probability of each class; the first is background.
        cost: ``(N,)`` float32, 0 or more.
        judged: ``(N,)`` bool, a pathologist has judged something there.
    """

    slide_ids: tuple[str, ...]
    slide: NDArray[np.int32]
    bounds: NDArray[np.float64]
    shares: NDArray[np.float32]
    cost: NDArray[np.float32]
    judged: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together."""
        columns = (self.slide, self.bounds, self.shares, self.cost, self.judged)
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1 or self.bounds.shape[1:] != (4,) or self.shares.ndim != 2:
            raise InvalidValueError("columns of regions", found=lengths, allowed="one length")

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.slide)

    @property
    def channel(self) -> NDArray[np.int64]:
        """``(N,)`` the class with most probability but background, 1 to K − 1."""
        return np.asarray(1 + self.shares[:, 1:].argmax(axis=1))

    def chosen(self, positions: NDArray[np.int64]) -> CandidateRegions:
        """Some of the regions, in that order."""
        return replace(
            self,
            slide=self.slide[positions],
            bounds=self.bounds[positions],
            shares=self.shares[positions],
            cost=self.cost[positions],
            judged=self.judged[positions],
        )


@dataclass(frozen=True)
class Queue:
    """Regions in the order in which they should be seen, in columns.

    Args:
        region: ``(n,)`` int64 position among the candidates.
        cost: ``(n,)`` relative to the largest of all candidates, 0 to 1.
        diversity: ``(n,)`` when it was chosen, 0 to 1.
        rarity: ``(n,)`` 0 to 1.
        random: ``(n,)`` bool, drawn at random.
    """

    region: NDArray[np.int64]
    cost: NDArray[np.float64]
    diversity: NDArray[np.float64]
    rarity: NDArray[np.float64]
    random: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.region)


def rank_regions(
    candidates: CandidateRegions,
    judged_counts: Mapping[int, int],
    *,
    count: int,
    random_share: float = 0.1,
    seed: int = 0,
) -> Queue:
    """The regions to be seen next; the same for the same arguments.

    Args:
        candidates: All regions; judged ones are never chosen, but what is like them is worth less.
        judged_counts: How many annotations of each channel a pathologist stands behind.
        count: How many regions are wanted; fewer come where there are fewer.
        random_share: Least share of random ones, in the queue and in its every beginning.
        seed: Of the random ones.

    Raises:
        InvalidValueError: A count below 1, or a share outside 0 to 1.
    """
    if count < 1:
        raise InvalidValueError("regions wanted", found=count, allowed="1 or more")
    if not 0 <= random_share <= 1:
        raise InvalidValueError("random share", found=random_share, allowed="0 to 1")
    unjudged = np.flatnonzero(~candidates.judged)
    count = min(count, len(unjudged))
    is_random = _spread(count, random_share)
    order = np.random.default_rng(seed).permutation(unjudged)
    drawn = order[: int(is_random.sum())]
    cost = candidates.cost / max(float(candidates.cost.max(initial=0)), 1e-12)
    rarity = _rarity(candidates, judged_counts)
    free = ~candidates.judged
    free[drawn] = False
    chosen, diversity = _greedy(candidates, cost * rarity, free, is_random, drawn)
    return Queue(chosen, cost[chosen].astype(float), diversity, rarity[chosen], is_random)


def _spread(count: int, share: float) -> NDArray[np.bool_]:
    """Which places are random: as few as keep the share in every beginning of the queue."""
    # As it was written: 0.1 in binary is more than a tenth, and would ask for one too many.
    exact = Fraction(str(share))
    needed = np.array([math.ceil(exact * place) for place in range(count + 1)], np.int64)
    return np.diff(needed) > 0


def _rarity(candidates: CandidateRegions, judged_counts: Mapping[int, int]) -> NDArray[np.float64]:
    """Inverse frequency of each region's class among what was judged, 1 for the rarest."""
    channels = range(candidates.shares.shape[1])
    seen = np.array([1 + judged_counts.get(channel, 0) for channel in channels], np.float64)
    return np.asarray(seen[1:].min() / seen[candidates.channel])


def _greedy(
    candidates: CandidateRegions,
    worth: NDArray[np.floating],
    free: NDArray[np.bool_],
    is_random: NDArray[np.bool_],
    drawn: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Fill the places one by one; returns the regions, and the diversity each had."""
    shares = candidates.shares
    nearest = _distance_to_judged(shares, candidates.judged)
    largest = math.sqrt(2)  # of two mixes of classes: all of one, and all of another
    chosen, diversity = np.zeros(len(is_random), np.int64), np.zeros(len(is_random))
    random = iter(drawn.tolist())
    for place, at_random in enumerate(is_random):
        # Where everything is like what was seen, cost and rarity alone still tell regions apart.
        value = worth * np.minimum(nearest / largest, 1) + 1e-9 * worth
        best = next(random) if at_random else int(np.where(free, value, -1).argmax())
        chosen[place], diversity[place] = best, min(1.0, float(nearest[best]) / largest)
        free[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(shares - shares[best], axis=1))
    return chosen, diversity


def _distance_to_judged(
    shares: NDArray[np.float32], judged: NDArray[np.bool_]
) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    if not judged.any():
        return np.full(len(shares), math.sqrt(2))
    distance, _ = cKDTree(shares[judged]).query(shares)
    return np.asarray(distance, np.float64)
