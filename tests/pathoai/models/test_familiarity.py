"""What lies far from the validation slides is told, and what is like them seldom is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.models.familiarity import _SHRINKAGE, UNFAMILIAR, Familiarity


def drawn(count: int, seed: int, *, away: float = 0.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(away, [0.1, 1.0, 5.0], (count, 3))


def test_distances_are_those_from_the_others() -> None:
    rows = drawn(12, 0)
    expected = []
    for i in range(12):
        others = np.delete(rows, i, axis=0)
        variance = others.var(axis=0) + _SHRINKAGE * others.var(axis=0).mean()
        expected.append(np.sqrt((((rows[i] - others.mean(0)) ** 2) / variance).mean()))
    np.testing.assert_allclose(Familiarity.of(rows).distances, np.sort(expected))


def test_slides_like_the_validation_are_seldom_called_unfamiliar() -> None:
    """At most at the stated rate, over many validations, and all is seen that lies far away."""
    told, missed = [], []
    for seed in range(60):
        known = Familiarity.of(drawn(100, seed))
        told.append((known.p_value(drawn(200, 1000 + seed)) <= UNFAMILIAR).mean())
        missed.append((known.p_value(drawn(50, 2000 + seed, away=30.0)) > UNFAMILIAR).mean())
    assert 0.02 < np.mean(told) < UNFAMILIAR + 0.01
    assert np.mean(missed) == 0


def test_a_unit_that_never_fired_does_not_decide_alone() -> None:
    rows = np.hstack([drawn(50, 0)[:, 1:2], np.zeros((50, 1))])
    known = Familiarity.of(rows)
    assert known.p_value(np.array([[0.0, 0.05]]))[0] > 0.3
    same = Familiarity.of(np.ones((5, 2)))
    assert same.p_value(np.ones((1, 2)))[0] == 1.0


def test_it_travels_as_json_and_needs_slides() -> None:
    known = Familiarity.of(drawn(9, 0))
    assert Familiarity.from_dict(json.loads(json.dumps(known.to_dict()))) == known
    with pytest.raises(InvalidValueError, match="3 or more"):
        Familiarity.of(drawn(2, 0))
