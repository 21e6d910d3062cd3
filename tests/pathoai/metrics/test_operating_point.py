from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.metrics.operating_point import at_sensitivity, at_specificity

ITEMS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=20)


def rates_by_definition(items: list[tuple[int, bool]], threshold: float) -> tuple[float, float]:
    cases = [s >= threshold for s, p in items if p]
    controls = [s < threshold for s, p in items if not p]
    return (
        float(np.mean(cases)) if cases else float("nan"),
        float(np.mean(controls)) if controls else float("nan"),
    )


@given(ITEMS, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
def test_the_best_threshold_by_trying_all(items: list[tuple[int, bool]], aim: float) -> None:
    scores, positive = np.array([s for s, _ in items], float), [p for _, p in items]
    candidates = [-np.inf, *np.arange(7.0), np.inf]
    if not all(positive):
        point = at_specificity(scores, positive, aim)
        found = point.rates(scores, positive)
        assert found == pytest.approx(rates_by_definition(items, point.threshold), nan_ok=True)
        assert found[1] >= aim
        allowed = [r for t in candidates if (r := rates_by_definition(items, t))[1] >= aim]
        assert not any(r[0] > found[0] for r in allowed)
    if any(positive):
        found = at_sensitivity(scores, positive, aim).rates(scores, positive)
        assert found[0] >= aim
        allowed = [r for t in candidates if (r := rates_by_definition(items, t))[0] >= aim]
        assert not any(r[1] > found[1] for r in allowed)


def test_weights_count_an_item_several_times() -> None:
    scores, positive = np.array([0.1, 0.6, 0.7, 0.9]), np.array([False, True, False, True])
    point = at_sensitivity(scores, positive, 0.5)
    repeated = np.array([0, 1, 1, 3])
    weights = np.array([[1, 2, 0, 1]])
    assert point.rates(scores, positive, weights)[0] == pytest.approx(
        point.rates(scores[repeated], positive[repeated])
    )


def test_a_threshold_needs_validation_slides() -> None:
    with pytest.raises(InvalidValueError, match="0 controls"):
        at_specificity(np.ones(3), np.ones(3, bool), 0.9)
    with pytest.raises(InvalidValueError, match="0 cases"):
        at_sensitivity(np.ones(3), np.zeros(3, bool), 0.9)
    with pytest.raises(InvalidValueError, match="aim"):
        at_sensitivity(np.ones(3), np.ones(3, bool), 95)
