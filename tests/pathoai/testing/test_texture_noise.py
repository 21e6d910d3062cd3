"""Noise is a pure function of position."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.testing.texture_noise import (
    periodic_noise,
    sample_grid,
    smooth_noise,
    tile_lookup,
    tile_window,
)


def test_periodic_noise_is_standardised_and_seamless() -> None:
    tile = periodic_noise(np.random.default_rng(0), size=128, sigma_y=3.0, sigma_x=6.0)
    assert tile.mean() == pytest.approx(0, abs=1e-4)
    assert tile.std() == pytest.approx(1, abs=1e-3)
    seam = np.abs(tile[0] - tile[-1]).mean()
    assert seam < 1.5 * np.abs(np.diff(tile, axis=0)).mean()


@pytest.mark.parametrize("sigma", [1.0, 3.0, 20.0])
def test_smooth_noise_has_about_unit_deviation(sigma: float) -> None:
    noise = smooth_noise(np.random.default_rng(1), shape=(600, 500), sigma=sigma)
    assert noise.shape == (600, 500)
    assert noise.std() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("periodic", [True, False])
def test_grid_passes_through_its_nodes_and_does_not_depend_on_the_window(periodic: bool) -> None:
    grid = np.random.default_rng(2).normal(size=(20, 30)).astype(np.float32)
    whole = sample_grid(grid, x=-50, y=-30, width=500, height=300, pitch=9, periodic=periodic)
    part = sample_grid(grid, x=40, y=20, width=60, height=70, pitch=9, periodic=periodic)
    np.testing.assert_allclose(whole[50:120, 90:150], part, atol=1e-5)
    # With an odd pitch of 9 the pixel whose centre is at 4.5 lies half way between nodes.
    line = sample_grid(
        np.tile(np.arange(30, dtype=np.float32), (20, 1)), x=90, y=90, width=9, height=1, pitch=9
    )
    np.testing.assert_allclose(line[0], 10 + (np.arange(9) + 0.5) / 9, atol=1e-5)


def test_tiles_repeat_and_interpolate() -> None:
    tile = periodic_noise(np.random.default_rng(3), size=64, sigma_y=2, sigma_x=2)
    window = tile_window(tile, x=-10, y=60, width=30, height=20)
    np.testing.assert_array_equal(window, np.roll(tile, (4, 10), axis=(0, 1))[:20, :30])
    row, column = np.mgrid[60:80, -10:20].astype(np.float32)
    np.testing.assert_array_equal(tile_lookup(tile, u=column, v=row), window)
    half = tile_lookup(tile, u=column, v=row + np.float32(0.5))
    np.testing.assert_allclose(half[:-1], (window[1:] + window[:-1]) / 2, atol=1e-5)
