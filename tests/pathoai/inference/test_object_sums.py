"""Sums of objects: whole numbers, however the pixels are dealt out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pathoai.inference.object_sums import ObjectSums


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_sums_are_those_of_each_object_pixel_by_pixel(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 9, (12, 14), np.uint32) * rng.integers(0, 2, (12, 14), np.uint32)
    numbers *= 1 + 100 * (seed % 2)
    probability = rng.integers(0, 256, (channels, 12, 14), np.uint8)
    sums = ObjectSums(channels)
    assert sums.count == 0
    for rows in rng.permutation(6):
        block = np.s_[..., 2 * rows : 2 * rows + 2, :]
        sums.add(numbers[block], probability[block])
    assert sums.count == numbers.max()
    every = slice(0, sums.count)
    for number in np.unique(numbers[numbers > 0]):
        inside, row = numbers == number, int(number) - 1
        totals = probability[:, inside].sum(axis=1, dtype=np.int64)
        assert sums.area_px(every)[row] == inside.sum()
        assert sums.channel(every)[row] == totals.argmax()
        assert sums.share(every)[row] == np.float32(totals.max() / max(totals.sum(), 1))
