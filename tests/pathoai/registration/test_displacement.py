"""Fields of displacements: smooth, bounded, and undone exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from pathoai.errors import InvalidValueError
from pathoai.registration.displacement import STEEPEST, Displacement
from tests.pathoai.registration.placed_slides import FIXED, field

seeds = st.integers(0, 2**32 - 1)


def points(seed: int, count: int = 50) -> np.ndarray:
    """Places on the slide and around it, µm."""
    width, height = FIXED.size_um
    return np.random.default_rng(seed).uniform(-200, [width + 200, height + 200], (count, 2))


@given(seeds, st.floats(0.01, STEEPEST - 1e-9))
def test_what_was_moved_comes_back(seed: int, slope: float) -> None:
    displacement, start = field(seed, slope), points(seed)
    assert np.allclose(displacement.undone(start + displacement.at(start)), start, atol=1e-3)
    back = displacement.undone(start)
    assert np.allclose(back + displacement.at(back), start, atol=1e-3)


@given(seeds, st.floats(0.01, STEEPEST - 1e-9))
def test_no_two_points_change_sides(seed: int, slope: float) -> None:
    displacement, start = field(seed, slope), points(seed)
    other = start[::-1]
    change = np.linalg.norm(displacement.at(start) - displacement.at(other), axis=1)
    assert (change <= displacement.steepness * np.linalg.norm(start - other, axis=1) + 1e-9).all()


@given(seeds)
def test_it_is_a_cubic_b_spline(seed: int) -> None:
    displacement = field(seed, 0.5)
    rows, columns = displacement.control_um.shape[:2]
    inside = np.abs(points(seed)) % np.array(FIXED.size_um)
    knots = [np.arange(-3, count + 1) * displacement.spacing_um for count in (rows, columns)]
    down, across = (
        BSpline.design_matrix(inside[:, axis], knot, 3).toarray()
        for axis, knot in ((1, knots[0]), (0, knots[1]))
    )
    expected = np.einsum("nr,rcd,nc->nd", down, displacement.control_um, across)
    assert np.allclose(displacement.at(inside), expected)


@given(seeds)
def test_a_raster_is_the_same_points(seed: int) -> None:
    displacement = field(seed, 0.5)
    x, y = np.linspace(-50, 1100, 37), np.linspace(100, 500, 23)
    raster = displacement.on_raster(x, y)
    assert np.allclose(raster, displacement.at(np.stack(np.meshgrid(x, y), axis=-1)))


def test_beyond_the_edge_it_is_constant() -> None:
    displacement = field(1, 0.5)
    width, height = FIXED.size_um
    edge = displacement.at(np.array([[width, height], [0.0, 40.0]]))
    assert np.allclose(displacement.at(np.array([[width + 999, height + 5], [-70, 40.0]])), edge)


def test_none_moves_nothing_and_covers_the_slide() -> None:
    nothing = Displacement.none((1000.0, 800.0), 64.0)
    assert nothing.control_um.shape == (13 + 3, 16 + 3, 2)
    assert nothing.steepness == 0
    assert nothing.largest_um == 0
    assert not nothing.at(points(0)).any()


@given(seeds, st.floats(0.1, STEEPEST - 1e-6))
def test_on_another_lattice_it_is_no_steeper(seed: int, slope: float) -> None:
    displacement = field(seed, slope)
    finer = Displacement.none(FIXED.size_um, 10.0).resembling(displacement)
    assert finer.steepness <= displacement.steepness + 1e-9
    assert np.abs(finer.at(points(seed)) - displacement.at(points(seed))).max() < 1.5


def test_no_points_are_no_trouble() -> None:
    displacement = field(1, 0.5)
    assert displacement.at(np.empty((0, 2))).shape == (0, 2)
    assert displacement.undone(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("control", "spacing"),
    [
        (np.zeros((3, 9, 2)), 10.0),
        (np.zeros((9, 9)), 10.0),
        (np.zeros((9, 9, 2)), 0.0),
        (np.full((9, 9, 2), np.nan), 10.0),
        (np.arange(162.0).reshape(9, 9, 2) * 10, 10.0),
    ],
)
def test_what_cannot_be_undone_is_refused(control: np.ndarray, spacing: float) -> None:
    with pytest.raises(InvalidValueError):
        Displacement(control, spacing)
