"""Measures of uncertainty are what their definitions say, computed in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.expected_cost import load_costs
from pathoai.models.uncertainty import (
    decision_cost,
    entropy,
    margin,
    mean_probability,
    mutual_information,
    predictive_entropy,
    relative_entropy,
)


@st.composite
def _members(draw: st.DrawFn) -> NDArray[np.float64]:
    """Members, items, and the four grades of cervical lesions; some probabilities are 0."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 5)), 4)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    raw = rng.random(shape) * (rng.random(shape) < 0.7) + 1e-9 * np.eye(4)[0]
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True))


def _entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


@given(_members())
def test_definitions(members: NDArray[np.float64]) -> None:
    costs = load_costs("tissuenet")
    for item in range(members.shape[1]):
        rows = members[:, item].tolist()
        mean = [sum(row[k] for row in rows) / len(rows) for k in range(4)]
        total = _entropy(mean)
        among = total - sum(map(_entropy, rows)) / len(rows)
        cost = min(sum(mean[t] * costs.costs[t][d] for t in range(4)) for d in range(4))
        ranked = sorted(mean)
        assert mean_probability(members)[item] == pytest.approx(mean)
        assert predictive_entropy(members)[item] == pytest.approx(total, abs=1e-12)
        assert mutual_information(members)[item] == pytest.approx(among, abs=1e-12)
        assert decision_cost(members, costs)[item] == pytest.approx(cost, abs=1e-12)
        assert margin(members)[item] == pytest.approx(ranked[-1] - ranked[-2], abs=1e-12)


@given(_members())
def test_disagreement_is_a_part_of_all_uncertainty(members: NDArray[np.float64]) -> None:
    total, among = predictive_entropy(members), mutual_information(members)
    assert (among >= 0).all()
    assert (among <= total + 1e-12).all()
    assert (mutual_information(members[:1]) < 1e-12).all()


def test_entropy_is_relative_to_the_number_of_classes() -> None:
    for classes in (2, 5):
        even = np.full((classes, 3, 3), 1 / classes)
        assert relative_entropy(even, axis=0) == pytest.approx(np.ones((3, 3)))
        assert entropy(even, axis=0) == pytest.approx(np.full((3, 3), math.log(classes)))
        certain = np.zeros((classes, 1))
        certain[0] = 1
        assert relative_entropy(certain, axis=0) == 0


def test_logits_and_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="not logits"):
        predictive_entropy(np.array([[[2.0, -1.0]]]))
    with pytest.raises(InvalidValueError, match=r"\(M, N, K\)"):
        margin(np.full((2, 2), 0.5))
