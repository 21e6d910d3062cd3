"""Blending: a weighted mean, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.inference.blending import BlendedBlock, blending_window


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
    block = BlendedBlock(3, x_px=0, y_px=0, width_px=32, height_px=32)
    block.add(0, 0, tile, blending_window(32))
    found, seen = block.result()
    assert seen.all()
    np.testing.assert_allclose(found, tile, rtol=1e-5)


def test_a_constant_field_stays_constant_under_any_overlap() -> None:
    window = blending_window(32)
    for stride in (8, 17, 24, 32):
        block = BlendedBlock(2, x_px=100, y_px=60, width_px=90, height_px=70)
        tile = np.full((2, 32, 32), 0.3, np.float32)
        for y in range(40, 140, stride):
            for x in range(80, 200, stride):
                block.add(x, y, tile, window)
        found, seen = block.result()
        assert seen.all()
        np.testing.assert_allclose(found, 0.3, rtol=1e-5)


def test_blocks_are_crops_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    window = blending_window(16)
    tiles = [
        (int(x), int(y), rng.random((2, 16, 16)).astype(np.float32))
        for x, y in rng.integers(-10, 60, (60, 2))
    ]
    whole = BlendedBlock(2, x_px=0, y_px=0, width_px=64, height_px=48)
    for tile in tiles:
        whole.add(*tile, window)
    expected, expected_seen = whole.result()
    for x in range(0, 64, 32):
        for y in range(0, 48, 24):
            part = BlendedBlock(2, x_px=x, y_px=y, width_px=32, height_px=24)
            for tile in tiles:
                part.add(*tile, window)
            found, seen = part.result()
            np.testing.assert_array_equal(found, expected[:, y : y + 24, x : x + 32])
            np.testing.assert_array_equal(seen, expected_seen[y : y + 24, x : x + 32])


def test_what_no_tile_saw_is_said() -> None:
    block = BlendedBlock(1, x_px=0, y_px=0, width_px=20, height_px=10)
    block.add(-4, 2, np.ones((1, 8, 8), np.float32), blending_window(8))
    block.add(50, 50, np.ones((1, 8, 8), np.float32), blending_window(8))
    found, seen = block.result()
    expected = np.zeros((10, 20), bool)
    expected[2:10, 0:4] = True
    np.testing.assert_array_equal(seen, expected)
    assert not found[0][~expected].any()
