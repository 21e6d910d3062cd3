from __future__ import annotations

import numpy as np
import pytest

from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.cost_score import cost_score
from pathoai.metrics.expected_cost import load_costs

COSTS = load_costs("tissuenet")


def test_the_score_by_its_definition() -> None:
    draw = np.random.default_rng(0)
    truth, said = draw.integers(0, 4, 50), draw.integers(0, 4, 50)
    found = cost_score(confusion_by_item(truth, said, classes=4).sum(0), COSTS)
    cost = [COSTS.costs[t][d] for t, d in zip(truth, said, strict=True)]
    assert found.score == pytest.approx(1 - np.mean(cost))
    for k in range(4):
        constant = 1 - np.mean([COSTS.costs[t][k] for t in truth])
        assert found.constant[k] == pytest.approx(constant)
    assert found.gain == pytest.approx(found.score - found.constant.max())


def test_the_anchors_of_the_challenge() -> None:
    """Its constant decisions score .592, .752, .664 and .465; one prior explains all four."""
    scores = np.array([0.592, 0.752, 0.664, 0.465])
    prior, *_ = np.linalg.lstsq(
        np.vstack([COSTS.array.T, np.ones(4)]), np.append(1 - scores, 1.0), rcond=None
    )
    counts = np.diag(prior * 1015)
    assert cost_score(counts, COSTS).constant == pytest.approx(scores, abs=0.002)


def test_always_low_grade_scores_well_and_agrees_with_nothing() -> None:
    truth = np.repeat(range(4), [30, 30, 25, 15])
    found = cost_score(confusion_by_item(truth, np.ones(100, int), classes=4).sum(0), COSTS)
    assert found.score == pytest.approx(0.79)
    assert found.quadratic_kappa == pytest.approx(0)
    assert found.gain == pytest.approx(0)
    assert found.recall.tolist() == [0, 1, 0, 0]


def test_many_resamples_at_once() -> None:
    counts = np.random.default_rng(1).integers(1, 9, (5, 4, 4))
    many = cost_score(counts, COSTS)
    for i, one in enumerate(counts):
        assert many.score[i] == pytest.approx(cost_score(one, COSTS).score)
        assert many.constant[i] == pytest.approx(cost_score(one, COSTS).constant)
