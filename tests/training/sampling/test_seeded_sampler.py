from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pathoai_training.sampling.seeded_sampler import SeededSampler


def drawn(
    count: int, *, length: int, seed: int = 1, start: int = 0, process: int = 0, processes: int = 1
) -> list[int]:
    sampler = SeededSampler(
        count,
        length=length,
        seed=seed,
        done=lambda: start,
        process=process,
        processes=processes,
    )
    assert len(sampler) == length
    return list(sampler)


@given(st.integers(1, 40), st.integers(1, 120), st.integers(0, 5))
def test_every_tile_is_seen_once_before_any_is_seen_twice(
    count: int, length: int, seed: int
) -> None:
    seen = Counter(dict.fromkeys(range(count), 0))
    seen.update(drawn(count, length=length, seed=seed))
    assert len(seen) == count
    assert max(seen.values()) - min(seen.values()) <= 1


@given(st.integers(1, 40), st.integers(0, 50), st.integers(1, 30))
def test_what_follows_depends_on_the_place_alone(count: int, start: int, length: int) -> None:
    stretches = start // length + 1
    whole = drawn(count, length=length * stretches)
    # What is resumed in the middle of a stretch goes on to its end.
    assert drawn(count, length=length, start=start) == whole[start:]


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 4))
def test_processes_share_the_row_of_one(count: int, length: int, processes: int) -> None:
    parts = [drawn(count, length=length, process=i, processes=processes) for i in range(processes)]
    dealt = [index for step in zip(*parts, strict=True) for index in step]
    assert dealt == drawn(count, length=length * processes)


def test_another_seed_gives_another_order() -> None:
    assert drawn(20, length=20, seed=1) != drawn(20, length=20, seed=2)
