"""Where an alignment can be believed."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Size
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from tests.pathoai.registration.placed_slides import FIXED

GRID = tile_grid(FIXED, 100.0)


def of_states(state: np.ndarray) -> RegistrationQuality:
    residual = np.where(state == TileState.BELIEVABLE, 0.5, 9.0).astype(np.float32)
    return RegistrationQuality(100.0, GRID, np.ones(state.shape, np.float32), residual, state)


def test_it_is_laid_over_a_finer_raster() -> None:
    state = np.zeros((8, 10), np.uint8)
    state[2, 3] = TileState.BELIEVABLE
    state[2, 4] = TileState.REFUSED
    found = of_states(state)
    fine = Grid(Size(1000, 800), 2.0, 2.0)  # 1 µm
    whole = found.on_grid(fine, slice(0, 800), slice(0, 1000))
    assert whole.sum() == 100 * 100
    assert whole[200:300, 300:400].all()
    part = found.on_grid(fine, slice(250, 350), slice(380, 420))
    assert np.array_equal(part, whole[250:350, 380:420])


def test_shares_are_of_tissue() -> None:
    state = np.zeros((8, 10), np.uint8)
    state[0, :4] = TileState.REFUSED
    state[1, :6] = TileState.BELIEVABLE
    found = of_states(state)
    assert found.believable_share == 0.6
    assert found.median_residual_um == 0.5
    nothing = of_states(np.zeros((8, 10), np.uint8))
    assert nothing.believable_share == 0
    assert np.isnan(nothing.median_residual_um)


def test_planes_must_fit() -> None:
    plane = np.zeros((8, 10), np.float32)
    with pytest.raises(InvalidValueError):
        RegistrationQuality(100.0, GRID, plane, plane[1:], np.zeros((8, 10), np.uint8))
    with pytest.raises(InvalidValueError):
        RegistrationQuality(100.0, GRID, plane, plane, np.full((8, 10), 3, np.uint8))
