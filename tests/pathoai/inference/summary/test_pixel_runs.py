"""Counting runs of pixels gives what counting pixels gives."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.inference.summary.pixel_runs import PixelRuns


@pytest.mark.parametrize("cell_px", [4, 64])
def test_runs_cover_every_pixel_once_and_hold_one_value_each(cell_px: int) -> None:
    rng = np.random.default_rng(3)
    block = np.repeat(rng.integers(0, 4, (37, 13), np.uint8), 4, axis=1)
    numbers = rng.integers(0, 3, (6, 9), np.uint32)
    rows = np.minimum(np.arange(37) // 7, 5)
    columns = np.arange(52) // 6
    runs = PixelRuns.of(block, numbers, (rows, columns), cell_px)
    pixels = np.arange(52) + np.zeros((37, 1), np.int64)
    np.testing.assert_array_equal(np.repeat(runs.value, runs.length), block.ravel())
    fragments = numbers[np.ix_(rows, columns)]
    np.testing.assert_array_equal(np.repeat(runs.fragment, runs.length), fragments.ravel())
    cells = np.repeat(runs.column // cell_px, runs.length)
    np.testing.assert_array_equal(cells, (pixels // cell_px).ravel())
    expected = np.bincount(block.ravel(), minlength=6)
    np.testing.assert_array_equal(runs.counted(runs.value, 6), expected)
