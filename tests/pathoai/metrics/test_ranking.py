from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc

from pathoai.metrics.ranking import (
    auc,
    auc_of_classes,
    auc_of_thresholds,
    roc_curve,
    sensitivity_at,
)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=0, max_size=30))
def test_by_the_definition_over_pairs(items: list[tuple[int, bool]]) -> None:
    cases = [s for s, p in items if p]
    controls = [s for s, p in items if not p]
    found = auc(np.array([s for s, _ in items], float), [p for _, p in items])
    if not cases or not controls:
        assert np.isnan(found)
        return
    wins = [(c > d) + (c == d) / 2 for c in cases for d in controls]
    assert found == pytest.approx(np.mean(wins))


def test_against_scikit_learn_and_with_weights() -> None:
    draw = np.random.default_rng(0)
    scores, positive = draw.integers(0, 20, 200) / 20, draw.random(200) < 0.3
    weights = draw.integers(0, 4, (6, 200))
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    for row, found in zip(weights, auc(scores, positive, weights), strict=True):
        repeated = np.repeat(np.arange(200), row)
        assert found == pytest.approx(roc_auc_score(positive[repeated], scores[repeated]))


def test_the_curve_against_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    scores, positive = draw.integers(0, 9, 60) / 9, draw.random(60) < 0.5
    false, true = roc_curve(scores, positive)
    wanted = sklearn_roc(positive, scores, drop_intermediate=False)
    assert false == pytest.approx(wanted[0])
    assert true == pytest.approx(wanted[1])
    assert np.trapezoid(true, false) == pytest.approx(auc(scores, positive))


def test_classes_against_all_others_and_grades_against_milder_ones() -> None:
    draw = np.random.default_rng(2)
    rows = draw.dirichlet(np.ones(4), 300)
    truth = draw.integers(0, 4, 300)
    wanted = roc_auc_score(truth, rows, multi_class="ovr", average=None)
    assert auc_of_classes(rows, truth) == pytest.approx(wanted)
    for k, found in enumerate(auc_of_thresholds(rows, truth), start=1):
        assert found == pytest.approx(roc_auc_score(truth >= k, rows[:, k:].sum(1)))
    assert auc_of_classes(rows, truth, np.ones((2, 300))).shape == (2, 4)


def test_sensitivities_are_read_off_the_curve_of_each_resample() -> None:
    draw = np.random.default_rng(3)
    scores, positive = draw.integers(0, 12, 60) / 12, draw.random(60) < 0.5
    grid = np.array([0.0, 0.11, 0.5, 1.0])
    weights = draw.integers(0, 3, (5, 60))
    for row, found in zip(weights, sensitivity_at(scores, positive, grid, weights), strict=True):
        again = np.repeat(np.arange(60), row)
        wanted = np.interp(grid, *roc_curve(scores[again], positive[again]))
        assert found == pytest.approx(wanted)
    assert np.isnan(sensitivity_at(scores, np.ones(60, bool), grid)).all()
    assert np.isnan(sensitivity_at(np.empty(0), np.empty(0, bool), grid)).all()
