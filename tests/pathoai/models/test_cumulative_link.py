from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from pathoai.errors import InvalidValueError
from pathoai.models.cumulative_link import falling, grade_probabilities


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_consistent_logits_give_back_their_probabilities(weights: list[float]) -> None:
    rows = np.array([weights]) / sum(weights)
    worse_than = 1 - rows.cumsum(axis=1)[:, :-1]
    assert grade_probabilities(logit(worse_than)) == pytest.approx(rows, abs=1e-9)


@given(st.lists(st.lists(st.floats(-8, 8), min_size=3, max_size=3), min_size=1, max_size=20))
def test_any_logits_give_probabilities(logits: list[list[float]]) -> None:
    found = grade_probabilities(np.array(logits))
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=4))
def test_the_repair_is_the_nearest_falling_row(steps: list[int]) -> None:
    """Against every falling row of a fine lattice that holds all means of these values."""
    values = np.array([steps]) / 4
    found = falling(values)
    assert (np.diff(found) <= 0).all()
    lattice = np.arange(49) / 48
    size = len(steps)
    if size < 4:
        rows = np.array(list(itertools.combinations_with_replacement(lattice[::-1], size)))
        best = ((rows - values) ** 2).sum(axis=1).min()
        assert ((found - values) ** 2).sum() == pytest.approx(best)


def test_the_repair_is_what_a_general_optimiser_finds() -> None:
    values = np.random.default_rng(0).random((5, 6))
    for row, repaired in zip(values, falling(values), strict=True):
        constraints = [
            {"type": "ineq", "fun": lambda x, k=k: x[k] - x[k + 1]} for k in range(len(row) - 1)
        ]
        best = minimize(lambda x, row=row: ((x - row) ** 2).sum(), row, constraints=constraints)
        assert repaired == pytest.approx(best.x, abs=1e-4)


def test_contradicting_answers_meet_in_the_middle() -> None:
    found = grade_probabilities(logit(np.array([[0.4, 0.6]])))
    assert found == pytest.approx(np.array([[0.5, 0.0, 0.5]]))


def test_certain_answers() -> None:
    assert grade_probabilities(np.array([[np.inf, -np.inf]])) == pytest.approx(
        np.array([[0.0, 1.0, 0.0]])
    )
    assert expit(np.inf) == 1


@pytest.mark.parametrize("logits", [np.zeros(3), np.zeros((2, 0)), np.array([[np.nan]])])
def test_what_is_no_cumulative_logit_is_refused(logits: NDArray[Any]) -> None:
    with pytest.raises(InvalidValueError, match="cumulative logits"):
        grade_probabilities(logits)
