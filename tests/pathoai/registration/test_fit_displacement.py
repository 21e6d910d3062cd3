"""A smooth field through measured shifts."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.registration.displacement import STEEPEST, Displacement
from pathoai.registration.fit_displacement import ShiftLattice, fit_displacement
from tests.pathoai.registration.placed_slides import FIXED, field

STEP_UM = 16.0
SHAPE = 50, 63  # of 1000 × 800 µm


def places() -> np.ndarray:
    x, y = (STEP_UM * (np.arange(count) + 0.5) for count in SHAPE[::-1])
    return np.stack(np.meshgrid(x, y), axis=-1)


def fitted(
    shift_um: np.ndarray, weight: np.ndarray | None = None, stiffness: float = 0.05
) -> Displacement:
    lattice = ShiftLattice(
        shift_um, np.ones(SHAPE) if weight is None else weight, STEP_UM / 2, STEP_UM
    )
    start = Displacement.none(FIXED.size_um, 2 * STEP_UM)
    return fit_displacement(lattice, start, stiffness=stiffness, noise_um=0.5)


def smooth() -> Displacement:
    return field(3, 0.2, spacing_um=250.0)


def test_a_smooth_field_is_found_through_noise() -> None:
    true = smooth().at(places())
    noisy = true + np.random.default_rng(0).normal(0, 0.5, true.shape)
    missed = np.linalg.norm(fitted(noisy).at(places()) - true, axis=-1)
    assert np.median(missed) < 0.3
    assert np.linalg.norm(noisy - true, axis=-1).mean() > 2 * missed.mean()


def test_shifts_that_lie_do_not_bend_their_neighbours() -> None:
    true = smooth().at(places())
    measured = true + np.random.default_rng(0).normal(0, 0.3, true.shape)
    measured[20:26, 20:30] += [25.0, -18.0]
    missed = np.linalg.norm(fitted(measured).at(places()) - true, axis=-1)
    around = np.ones(SHAPE, dtype=bool)
    around[18:28, 18:32] = False
    assert missed[around].max() < 1.5
    assert np.median(missed[20:26, 20:30]) < 4


def test_what_nobody_measured_follows_what_lies_around_it() -> None:
    true = smooth().at(places())
    weight = np.ones(SHAPE)
    weight[20:26, 20:30] = 0
    measured = true.copy()
    measured[weight == 0] = 1e6
    missed = np.linalg.norm(fitted(measured, weight).at(places()) - true, axis=-1)
    assert missed.max() < 2


def test_without_any_measurement_nothing_moves() -> None:
    found = fitted(np.zeros((*SHAPE, 2)), np.zeros(SHAPE))
    assert found.largest_um == 0


@pytest.mark.parametrize("stiffness", [1e-4, 1e-2])
def test_it_can_always_be_undone(stiffness: float) -> None:
    torn = np.zeros((*SHAPE, 2))
    torn[:, 30:] = [60.0, -80.0]
    found = fitted(torn, stiffness=stiffness)
    assert found.steepness <= STEEPEST
    assert np.allclose(found.undone(places() + found.at(places())), places(), atol=1e-3)
