"""The plan: each tile once in a stripe, kept as long as it is needed, within the stated bound."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.inference.tile_plan import TileLattice, TilePlan
from pathoai.store.shards import shard_slices, shards_of

TilePair = tuple[int, int]


def _lattice(
    shape: tuple[int, int], size: int, stride: int, first: int, share: float = 1.0, seed: int = 0
) -> TileLattice:
    counts = tuple(len(range(first, length, stride)) for length in shape)
    wanted = np.random.default_rng(seed).random(counts) < share
    return TileLattice(first, stride, size, wanted)


def _touching(lattice: TileLattice, block: tuple[slice, slice]) -> list[TilePair]:
    """By the definition: all tiles that share a pixel with a block."""
    tiles = np.argwhere(lattice.wanted)
    x, y = lattice.origins_px(tiles).T
    rows, columns = block
    inside = (y < rows.stop) & (y + lattice.size_px > rows.start)
    inside &= (x < columns.stop) & (x + lattice.size_px > columns.start)
    return [(int(row), int(column)) for row, column in tiles[inside]]


def _most_kept(plan: TilePlan, shards: list[TilePair]) -> int:
    """Follow the plan as it is carried out, tile by tile."""
    kept: set[TilePair] = set()
    most = 0
    for step in plan.steps(shards):
        for tile, computed, keep in zip(step.tiles, step.computed, step.kept, strict=True):
            place = (int(tile[0]), int(tile[1]))
            assert computed == (place not in kept)
            if keep:
                kept.add(place)
            else:
                kept.discard(place)
            most = max(most, len(kept))
    assert not kept
    return most


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.integers(4, 40),
    st.floats(0.25, 1),
    st.integers(0, 25),
    st.floats(0, 1),
    st.integers(1, 60),
)
def test_every_shard_has_its_tiles_in_one_order(
    shape: tuple[int, int], size: int, part: float, margin: int, share: float, most_kept: int
) -> None:
    stride = max(1, round(size * part))
    lattice = _lattice(shape, size, stride, -((size - stride) // 2), share)
    plan = TilePlan(lattice, shape, margin, most_kept, shard_px=64)
    shards = list(shards_of(shape, 64))
    steps = list(plan.steps(shards))
    assert sorted(step.shard for step in steps) == shards
    for step in steps:
        own = shard_slices(step.shard, shape, 64)
        expected = _touching(lattice, step.around) if _touching(lattice, own) else []
        assert [tuple(t) for t in step.tiles] == expected
        for within, around, inner in zip(own, step.around, step.inner, strict=True):
            assert (around.start + inner.start, around.start + inner.stop) == (
                within.start,
                within.stop,
            )
            assert within.start - around.start <= margin
    assert _most_kept(plan, shards) <= plan.kept_bound(plan.stripe_shards)


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_what_is_left_after_an_interruption_has_the_same_tiles(left: set[TilePair]) -> None:
    shape = (4 * 64, 5 * 64)
    plan = TilePlan(_lattice(shape, 40, 30, -5, 0.7), shape, 6, 30, shard_px=64)
    whole = {step.shard: step.tiles for step in plan.steps(shards_of(shape, 64))}
    steps = list(plan.steps(left))
    assert {step.shard for step in steps} == left
    for step in steps:
        np.testing.assert_array_equal(step.tiles, whole[step.shard])
    assert _most_kept(plan, sorted(left)) <= plan.kept_bound(plan.stripe_shards)


def test_in_one_stripe_each_tile_is_computed_once() -> None:
    shape = (5 * 64, 6 * 64)
    lattice = _lattice(shape, 40, 30, -5)
    plan = TilePlan(lattice, shape, 3, 10_000, shard_px=64)
    assert plan.stripe_shards == 6
    computed = Counter(
        tuple(tile)
        for step in plan.steps(shards_of(shape, 64))
        for tile in step.tiles[step.computed]
    )
    assert set(computed.values()) == {1}
    assert len(computed) == lattice.wanted.sum()


def test_a_huge_slide_keeps_no_more_than_its_stripes_allow() -> None:
    """150,000 × 100,000 px of tissue, six outputs of tiles of 512 px, a margin for objects."""
    shape, size = (100_000, 150_000), 512
    bytes_of_a_tile = 6 * size * size * 4
    lattice = _lattice(shape, size, 384, -64)
    plan = TilePlan(lattice, shape, 128, (640 << 20) // bytes_of_a_tile)
    assert plan.stripe_shards > 4
    most = _most_kept(plan, list(shards_of(shape)))
    assert most <= plan.kept_bound(plan.stripe_shards) <= plan.most_kept
    assert most * bytes_of_a_tile < 0.7e9
    computed = sum(int(step.computed.sum()) for step in plan.steps(shards_of(shape)))
    assert computed / lattice.wanted.sum() < 1.07


def test_a_stripe_is_one_shard_wide_where_memory_is_short() -> None:
    shape = (3 * 64, 3 * 64)
    plan = TilePlan(_lattice(shape, 40, 30, -5), shape, 0, 1, shard_px=64)
    assert plan.stripe_shards == 1
    assert [s.shard for s in plan.steps(shards_of(shape, 64))][:4] == [
        (0, 0),
        (1, 0),
        (2, 0),
        (0, 1),
    ]


def test_tiles_that_leave_gaps_are_refused() -> None:
    for stride in (0, 41):
        with pytest.raises(InvalidValueError, match=r"stride.*1 to 40"):
            TileLattice(0, stride, 40, np.ones((2, 2), bool))
