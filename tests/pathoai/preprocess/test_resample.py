"""Resampling: what it is defined to be, seamless, the same every time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.preprocess.resample import Taps, resample


def _defined(line: NDArray[np.float64], position: int, ratio: float) -> float:
    """One output pixel by the definition, float64: the mean under a triangle around its centre."""
    centre, reach = (position + 0.5) * ratio - 0.5, max(ratio, 1.0)
    total = weight = 0.0
    for index in range(math.floor(centre - reach) - 1, math.ceil(centre + reach) + 2):
        w = max(0.0, 1.0 - abs(index - centre) / reach)
        if w:
            total, weight = total + w * line[index], weight + w
    return total / weight


def _run(pixels: NDArray[np.uint8], rows: Taps, columns: Taps) -> NDArray[np.uint8]:
    block = pixels[
        rows.first_px : rows.first_px + rows.length_px,
        columns.first_px : columns.first_px + columns.length_px,
    ]
    batch = torch.from_numpy(np.ascontiguousarray(block.transpose(2, 0, 1)))[None]
    return np.asarray(resample(batch, rows, columns)[0].numpy().transpose(1, 2, 0))


def _noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=40)
@given(
    ratio=st.floats(0.4, 9.0),
    start=st.integers(20, 200),
    count=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_taps_are_the_definition(ratio: float, start: int, count: int, seed: int) -> None:
    length = math.ceil((start + count + 2) * ratio) + 40
    line = np.random.default_rng(seed).random(length)
    taps = Taps.between(start, count, ratio)
    found = (line[taps.first_px + taps.index] * taps.weight).sum(axis=1)
    expected = [_defined(line, start + i, ratio) for i in range(count)]
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(taps.weight.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 1.37, 2.0, 4.0, 0.6])
def test_both_axes_are_the_definition(ratio: float) -> None:
    pixels = _noise(90, 110)
    rows, columns = Taps.between(12, 9, ratio), Taps.between(15, 11, ratio)
    found = _run(pixels, rows, columns)
    for y in range(9):
        lines = [
            np.array(
                [_defined(pixels[:, x, c].astype(np.float64), 12 + y, ratio) for x in range(110)]
            )
            for c in range(3)
        ]
        for x in range(11):
            for c in range(3):
                assert abs(found[y, x, c] - _defined(lines[c], 15 + x, ratio)) <= 0.501


def test_the_slides_own_scale_is_left_untouched() -> None:
    pixels = _noise(60, 70)
    rows, columns = Taps.between(5, 40, 1.0), Taps.between(7, 50, 1.0)
    np.testing.assert_array_equal(_run(pixels, rows, columns), pixels[5:45, 7:57])


@settings(max_examples=20)
@given(ratio=st.floats(0.5, 8.0), value=st.integers(0, 255))
def test_a_constant_image_stays_constant(ratio: float, value: int) -> None:
    rows, columns = Taps.between(20, 6, ratio), Taps.between(20, 7, ratio)
    size = math.ceil(40 * ratio) + 20
    found = _run(np.full((size, size, 3), value, np.uint8), rows, columns)
    assert (found == value).all()


@settings(max_examples=25)
@given(ratio=st.floats(1.0, 6.0), cut=st.integers(1, 39))
def test_two_blocks_equal_the_whole(ratio: float, cut: int) -> None:
    """Wherever the block ends: weights depend on the absolute position alone."""
    size = math.ceil(70 * ratio) + 20
    pixels = _noise(60, size, seed=cut)
    rows = Taps.between(10, 5, 1.0)
    whole = _run(pixels, rows, Taps.between(20, 40, ratio))
    left = _run(pixels, rows, Taps.between(20, cut, ratio))
    right = _run(pixels, rows, Taps.between(20 + cut, 40 - cut, ratio))
    np.testing.assert_array_equal(np.concatenate([left, right], axis=1), whole)


def test_a_batch_equals_its_images_one_by_one() -> None:
    rows, columns = Taps.between(3, 12, 2.3), Taps.between(4, 14, 2.3)
    images = [_noise(rows.length_px, columns.length_px, seed) for seed in range(5)]
    batch = torch.from_numpy(np.stack([i.transpose(2, 0, 1) for i in images]))
    together = resample(batch, rows, columns)
    for index in range(5):
        assert torch.equal(together[index], resample(batch[index : index + 1], rows, columns)[0])


def test_the_cpu_gives_the_same_bytes_every_time() -> None:
    rows, columns = Taps.between(3, 60, 2.3), Taps.between(4, 60, 2.3)
    batch = torch.from_numpy(
        np.random.default_rng(0).integers(
            0, 256, (8, 3, rows.length_px, columns.length_px), dtype=np.uint8
        )
    )
    results: list[Any] = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            results.append(resample(batch, rows, columns))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[1], results[2])
