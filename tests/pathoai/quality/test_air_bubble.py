"""What is inside a rim is a bubble, and what is outside is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.quality.air_bubble import find_air_bubbles
from pathoai.quality.cells import Measurements

CELL_UM = 16.0
Y, X = np.mgrid[:60, :80]


def _cells(rim: NDArray[np.bool_]) -> Measurements:
    planes = np.zeros((7, *rim.shape), np.float32)
    planes[5] = 0.3 * rim
    return Measurements.stacked(planes)


def _ring(y: float, x: float, radius: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    distance = np.hypot(Y - y, X - x)
    return np.abs(distance - radius) < 0.7, distance < radius


@pytest.mark.parametrize("margin", [4, 8, 20])
def test_tissue_around_a_bubble_is_outside(margin: int) -> None:
    rim, inside = _ring(30, 30, 9)
    tissue = (np.abs(Y - 30) < 9 + margin) & (np.abs(X - 30) < 9 + margin)
    found = find_air_bubbles(_cells(rim), tissue, CELL_UM)
    assert found[inside].all()
    assert not found[~inside & (np.hypot(Y - 30, X - 30) > 12)].any()


def test_a_bubble_half_on_glass_is_found() -> None:
    rim, inside = _ring(30, 40, 12)
    tissue = X > 40
    found = find_air_bubbles(_cells(rim), tissue, CELL_UM)
    assert found[inside & (X > 42)].mean() > 0.95
    assert not found[np.hypot(Y - 30, X - 40) > 15].any()


def test_a_gap_in_the_rim_is_bridged_and_a_half_rim_is_none() -> None:
    rim, inside = _ring(30, 40, 12)
    tissue = np.ones_like(rim)
    gap = (np.abs(Y - 30) < 2) & (X > 40)
    assert find_air_bubbles(_cells(rim & ~gap), tissue, CELL_UM)[inside].all()
    assert not find_air_bubbles(_cells(rim & (X < 40)), tissue, CELL_UM).any()


@pytest.mark.parametrize("opening", [5, 9])
def test_an_open_rim_makes_no_bubble_of_the_fragment(opening: int) -> None:
    rim, _ = _ring(24, 36, 11)
    tissue = (np.abs(Y - 30) < 24) & (np.abs(X - 32) < 28)
    gap = (np.abs(X - 36) <= opening / 2) & (Y < 24)
    found = find_air_bubbles(_cells(rim & ~gap), tissue, CELL_UM)
    assert not found[np.hypot(Y - 24, X - 36) > 15].any()


def test_neither_specks_nor_straight_lines_enclose_anything() -> None:
    specks = np.random.default_rng(0).random(Y.shape) < 0.01
    line = np.abs(Y - 20 - 0.05 * X) < 0.6
    for tissue in (np.ones_like(line), Y < 40, (Y > 12) & (Y < 45) & (X < 35)):
        assert not find_air_bubbles(_cells(specks | line), tissue, CELL_UM).any()
