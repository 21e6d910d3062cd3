"""Affine maps compose, invert and turn as their definitions say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.registration.affine_map import about, apply, compose, inverse, turn

_angles = st.floats(-720, 720)
_scales = st.floats(0.25, 4)
_POINTS = np.random.default_rng(0).uniform(-1000, 1000, (5, 7, 2))


@given(degrees=_angles, mirrored=st.booleans(), scale=_scales)
def test_a_map_and_its_inverse_are_no_change(degrees: float, mirrored: bool, scale: float) -> None:
    there = about(turn(degrees, mirrored=mirrored, scale=scale), np.ones(2), np.array([30.0, -7.0]))
    np.testing.assert_allclose(apply(inverse(there), apply(there, _POINTS)), _POINTS, atol=1e-6)
    np.testing.assert_allclose(compose(inverse(there), there), np.eye(2, 3), atol=1e-6)


@given(first=_angles, second=_angles)
def test_composed_is_one_after_the_other(first: float, second: float) -> None:
    inner = about(turn(first, mirrored=True), np.zeros(2), np.array([3.0, 4.0]))
    outer = about(turn(second, scale=2.0), np.array([1.0, 2.0]), np.zeros(2))
    expected = apply(outer, apply(inner, _POINTS))
    np.testing.assert_allclose(apply(compose(outer, inner), _POINTS), expected, atol=1e-6)


def test_turns_are_clockwise_on_screen_and_mirroring_comes_first() -> None:
    right = np.array([1.0, 0.0])
    assert turn(90) @ right == pytest.approx([0, 1])
    assert turn(90, mirrored=True) @ right == pytest.approx([0, -1])
    assert np.linalg.det(turn(25, mirrored=True, scale=2)) == pytest.approx(-4)


def test_a_point_goes_where_it_was_told() -> None:
    source, target = np.array([5.0, 6.0]), np.array([-1.0, 2.0])
    assert apply(about(turn(33, scale=3), source, target), source) == pytest.approx(target)
