from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.models.prediction_sets import (
    PredictionSets,
    SetKind,
    calibrate_sets,
    check_sets,
)

SHARES = (0.6, 0.25, 0.1, 0.05)


def drawn_slides(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unbalanced ordinal grades and the probabilities of an overconfident reader."""
    draw = np.random.default_rng(seed)
    truth = draw.choice(4, count, p=SHARES)
    seen = truth + draw.normal(0, 0.8, count)
    logits = -2.5 * (seen[:, None] - np.arange(4)) ** 2
    rows = np.exp(logits - logits.max(axis=1, keepdims=True))
    return rows / rows.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("kind", list(SetKind))
@pytest.mark.parametrize("error_rate", [0.1, 0.3])
def test_the_rate_holds_on_average_over_calibrations(kind: SetKind, error_rate: float) -> None:
    covered: list[list[float]] = []
    for seed in range(150):
        sets = calibrate_sets(*drawn_slides(600, seed), error_rate=error_rate, kind=kind)
        check = check_sets(sets, *drawn_slides(2000, 10_000 + seed))
        by_class = check.covered_by_class if kind is SetKind.BY_CLASS else ()
        covered.append([check.covered.value, *(share.value for share in by_class)])
    mean, error = np.mean(covered, axis=0), np.std(covered, axis=0) / math.sqrt(len(covered))
    assert (mean >= 1 - error_rate - 3 * error).all()
    # Scores have no ties, so the rate is exceeded by at most 1/(n + 1); 30 of the rarest class.
    assert (mean <= 1 - error_rate + 1 / 20 + 3 * error).all()


def brute_force_scores(row: NDArray[np.float64]) -> list[float]:
    """The interval grown one grade at a time, as the paper words it."""
    first = last = int(row.argmax())
    scores = {first: 0.0}
    while len(scores) < len(row):
        mass = float(row[first : last + 1].sum())
        can_left, can_right = first > 0, last < len(row) - 1
        if can_left and (not can_right or row[first - 1] > row[last + 1]):
            first -= 1
            scores[first] = mass
        else:
            last += 1
            scores[last] = mass
    return [scores[k] for k in range(len(row))]


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=5, max_size=5), min_size=1, max_size=10),
    st.floats(0, 1),
)
def test_ordinal_sets_by_their_definition(weights: list[list[int]], limit: float) -> None:
    rows = np.array(weights) + 1.0
    rows /= rows.sum(axis=1, keepdims=True)
    inside = PredictionSets(SetKind.ORDINAL, 0.1, (limit,) * 5).contains(rows)
    for row, found in zip(rows, inside, strict=True):
        scores = brute_force_scores(row)
        wanted = [s <= limit for s in scores]
        near = [math.isclose(s, limit, abs_tol=1e-9) for s in scores]
        assert all(w == f or n for w, f, n in zip(wanted, found, near, strict=True))
        members = np.flatnonzero(found)
        assert len(members) >= 1
        assert np.ptp(members) == len(members) - 1


def test_a_class_without_enough_slides_is_in_every_set() -> None:
    rows, truth = drawn_slides(400, 0)
    kept = (truth != 3) | (np.cumsum(truth == 3) <= 8)  # nine are needed for 10 %
    sets = calibrate_sets(rows[kept], truth[kept], error_rate=0.1, kind=SetKind.BY_CLASS)
    assert sets.thresholds[3] is None
    assert all(t is not None for t in sets.thresholds[:3])
    assert sets.contains(rows)[:, 3].all()


def test_without_slides_every_set_is_everything() -> None:
    nothing = np.empty((0, 3)), np.empty(0, np.int64)
    for kind in SetKind:
        sets = calibrate_sets(*nothing, error_rate=0.1, kind=kind)
        assert sets.contains(np.eye(3)).all()
        check = check_sets(sets, *nothing)
        assert math.isnan(check.mean_size)
        assert check.covered.total == 0


def test_sizes_count_every_set() -> None:
    sets = PredictionSets(SetKind.BY_CLASS, 0.1, (0.4, 0.4, 0.4))
    rows = np.array([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3]])
    check = check_sets(sets, rows, np.array([0, 1]))
    assert check.sizes == (1, 1, 0, 0)
    assert check.mean_size == 0.5
    assert [s.count for s in check.covered_by_class] == [1, 0, 0]


@pytest.mark.parametrize("kind", list(SetKind))
def test_to_a_bundle_and_back(kind: SetKind) -> None:
    sets = calibrate_sets(*drawn_slides(60, 0), error_rate=0.1, kind=kind)
    assert PredictionSets.from_dict(sets.to_dict()) == sets


def test_rates_that_promise_nothing_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="error rate"):
        PredictionSets(SetKind.ORDINAL, 0.0, (None, None))
