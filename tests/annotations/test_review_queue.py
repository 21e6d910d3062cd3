"""The queue: costly, seldom and different first; a random share that holds in every beginning."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai_annotations.review_queue import CandidateRegions, rank_regions


def _regions(count: int, *, seed: int = 0, judged: float = 0.0) -> CandidateRegions:
    rng = np.random.default_rng(seed)
    return CandidateRegions(
        ("A", "B"),
        rng.integers(0, 2, count).astype(np.int32),
        rng.random((count, 4)) + 1,
        rng.dirichlet(np.ones(4), count).astype(np.float32),
        rng.random(count).astype(np.float32),
        rng.random(count) < judged,
    )


def test_greedy_choice_is_its_definition() -> None:
    regions, counts = _regions(60, judged=0.2), {1: 5, 3: 2}
    queue = rank_regions(regions, counts, count=12, random_share=0)
    assert not queue.random.any()
    centres = [regions.shares[i] for i in range(60) if regions.judged[i]]
    left = [i for i in range(60) if not regions.judged[i]]
    largest_cost = regions.cost.max()
    for place, found in enumerate(queue.region):
        worth = {}
        for i in left:
            channel = 1 + int(np.argmax(regions.shares[i, 1:]))
            rarity = 1 / (1 + counts.get(channel, 0))  # class 2 was never judged: its rarity is 1
            near = min(float(np.linalg.norm(regions.shares[i] - c)) for c in centres)
            worth[i] = regions.cost[i] / largest_cost * rarity * near / math.sqrt(2)
        best = max(worth, key=lambda i: worth[i])
        assert found == best
        parts = queue.cost[place] * queue.diversity[place] * queue.rarity[place]
        assert parts == pytest.approx(worth[best], rel=1e-4)
        left.remove(best)
        centres.append(regions.shares[best])


@given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 100))
def test_random_share_holds_in_every_beginning(count: int, twentieths: int, seed: int) -> None:
    share = twentieths / 20
    queue = rank_regions(_regions(60), {}, count=count, random_share=share, seed=seed)
    assert len(set(queue.region.tolist())) == count
    for length in range(1, count + 1):
        needed = math.ceil(Fraction(twentieths, 20) * length)
        assert queue.random[:length].sum() == needed


def test_random_regions_are_drawn_from_all_alike() -> None:
    regions = _regions(20, judged=0.3)
    drawn = [
        rank_regions(regions, {}, count=1, random_share=1, seed=s).region[0] for s in range(2800)
    ]
    unjudged = np.flatnonzero(~regions.judged)
    times = np.bincount(drawn, minlength=20)
    assert not times[regions.judged].any()
    expected = 2800 / len(unjudged)
    assert np.abs(times[unjudged] - expected).max() < 5 * math.sqrt(expected)


def test_the_seed_alone_decides() -> None:
    regions = _regions(500)
    queues = [
        rank_regions(regions, {}, count=20, random_share=0.3, seed=s).region.tolist()
        for s in (1, 1, 2)
    ]
    assert queues[0] == queues[1] != queues[2]


def test_alike_regions_are_still_told_apart_by_cost() -> None:
    shares = np.tile(np.array([0.5, 0.5], np.float32), (4, 1))
    cost = np.array([0.1, 0.4, 0.3, 0.2], np.float32)
    same = CandidateRegions(
        ("A",), np.zeros(4, np.int32), np.ones((4, 4)), shares, cost, np.zeros(4, bool)
    )
    queue = rank_regions(same, {}, count=9, random_share=0)
    assert queue.region.tolist() == [1, 2, 3, 0]
    assert queue.diversity.tolist() == [1, 0, 0, 0]


def test_a_hundred_thousand_regions_are_ranked_whole() -> None:
    regions = _regions(100_000, judged=0.05)
    queue = rank_regions(regions, {1: 1000}, count=200)
    assert len(queue) == 200
    assert not regions.judged[queue.region].any()
    # The class that was judged a thousand times comes last, if at all, but for the random ones.
    assert (regions.channel[queue.region[~queue.random]] != 1).all()


def test_nothing_left_is_an_empty_queue() -> None:
    assert len(rank_regions(_regions(5, judged=1.1), {}, count=3)) == 0


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="1 or more"):
        rank_regions(_regions(5), {}, count=0)
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidValueError, match="random share"):
            rank_regions(_regions(5), {}, count=1, random_share=share)
