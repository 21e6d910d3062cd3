"""Blending: a weighted mean, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.inference.blending import BlendedBlock, blending_window


def _window(size: int) -> torch.Tensor:
    return torch.from_numpy(blending_window(size))


def _finished(block: BlendedBlock) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    blended, seen = block.finish()
    return blended.numpy(), seen.numpy()


@pytest.mark.parametrize("size", [1, 2, 63, 64, 256])
def test_the_window_is_symmetric_and_never_zero(size: int) -> None:
    window = blending_window(size)
    assert window.shape == (size, size)
    assert window.dtype == np.float32
    assert (window > 0).all()
    np.testing.assert_allclose(window, window.T)
    np.testing.assert_allclose(window, window[::-1, ::-1], rtol=1e-5)
    assert window.max() == window[size // 2, size // 2]


def test_one_tile_is_left_as_it_is() -> None:
    tile = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    block = BlendedBlock(3, (slice(0, 32), slice(0, 32)), _window(32))
    block.add(0, 0, torch.from_numpy(tile))
    found, seen = _finished(block)
    assert seen.all()
    # Multiplied and divided by the same weight: half of the last digit, twice.
    np.testing.assert_allclose(found, tile, rtol=2e-7)


def test_a_constant_field_stays_constant_under_any_overlap() -> None:
    window = _window(32)
    for stride in (8, 17, 24, 32):
        block = BlendedBlock(2, (slice(60, 130), slice(100, 190)), window)
        for y in range(40, 140, stride):
            for x in range(80, 200, stride):
                block.add(x, y, torch.full((2, 32, 32), 0.3))
        found, seen = _finished(block)
        assert seen.all()
        np.testing.assert_allclose(found, np.float32(0.3), rtol=1e-6)


def test_blocks_are_crops_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    window = _window(16)
    tiles = [
        (int(x), int(y), torch.from_numpy(rng.random((2, 16, 16)).astype(np.float32)))
        for x, y in rng.integers(-10, 60, (60, 2))
    ]
    whole = BlendedBlock(2, (slice(0, 48), slice(0, 64)), window)
    for tile in tiles:
        whole.add(*tile)
    expected, expected_seen = _finished(whole)
    for x in range(0, 64, 32):
        for y in range(0, 48, 24):
            part = BlendedBlock(2, (slice(y, y + 24), slice(x, x + 32)), window)
            for tile in tiles:
                part.add(*tile)
            found, seen = _finished(part)
            np.testing.assert_array_equal(found, expected[:, y : y + 24, x : x + 32])
            np.testing.assert_array_equal(seen, expected_seen[y : y + 24, x : x + 32])


def test_what_no_tile_saw_is_said() -> None:
    block = BlendedBlock(1, (slice(0, 10), slice(0, 20)), _window(8))
    block.add(-4, 2, torch.ones(1, 8, 8))
    block.add(50, 50, torch.ones(1, 8, 8))
    found, seen = _finished(block)
    expected = np.zeros((10, 20), bool)
    expected[2:10, 0:4] = True
    np.testing.assert_array_equal(seen, expected)
    assert not found[0][~expected].any()
