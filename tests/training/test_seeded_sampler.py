from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pathoai_training.seeded_sampler import SeededSampler


def epochs(sampler: SeededSampler, count: int) -> list[int]:
    out: list[int] = []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        out += sampler
    return out


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 5))
def test_every_tile_is_seen_once_before_any_is_seen_twice(
    count: int, length: int, seed: int
) -> None:
    order = epochs(SeededSampler(count, epoch_length=length, seed=seed), 4)
    assert len(order) == 4 * length
    seen = Counter(order)
    assert max(seen.values()) - (min(seen.values()) if len(seen) == count else 0) <= 1


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 4))
def test_processes_share_the_row_of_one(count: int, length: int, processes: int) -> None:
    parts = [
        epochs(SeededSampler(count, epoch_length=length, seed=1, process=i, processes=processes), 2)
        for i in range(processes)
    ]
    dealt = [index for step in zip(*parts, strict=True) for index in step]
    assert dealt == epochs(SeededSampler(count, epoch_length=length * processes, seed=1), 2)


def test_an_epoch_does_not_depend_on_those_before() -> None:
    resumed = SeededSampler(10, epoch_length=7, seed=3)
    resumed.set_epoch(5)
    assert list(resumed) == epochs(SeededSampler(10, epoch_length=7, seed=3), 6)[35:]
    other_seed = SeededSampler(10, epoch_length=7, seed=4)
    other_seed.set_epoch(5)
    assert list(other_seed) != list(resumed)
