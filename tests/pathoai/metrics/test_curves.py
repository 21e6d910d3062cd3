from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.metrics.decision_curve import net_benefit, net_benefit_of_all
from pathoai.metrics.referral_curve import referral_curve


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=20))
def test_referral_by_its_definition_where_no_two_are_equal(items: list[tuple[float, int]]) -> None:
    unique = list({u: loss for u, loss in items}.items())
    count = len(unique)
    shares = [k / count for k in range(count)]
    found = referral_curve(
        np.array([u for u, _ in unique]), np.array([v for _, v in unique], float), shares
    )
    ranked = [loss for _, loss in sorted(unique)]
    wanted = [np.mean(ranked[: count - k]) for k in range(count)]
    assert found == pytest.approx(wanted)


def test_equally_uncertain_slides_are_referred_at_random() -> None:
    found = referral_curve(np.zeros(4), np.array([1.0, 0, 0, 0]), [0.0, 0.5, 0.75])
    assert found == pytest.approx([0.25, 0.25, 0.25])


def test_referral_with_weights_equals_repeated_slides() -> None:
    draw = np.random.default_rng(0)
    doubt, loss = draw.integers(0, 5, 30) / 5, draw.random(30)
    weights = draw.integers(0, 3, (4, 30))
    found = referral_curve(doubt, loss, [0.0, 0.3, 0.7], weights)
    for row, curve in zip(weights, found, strict=True):
        again = np.repeat(np.arange(30), row)
        assert curve == pytest.approx(referral_curve(doubt[again], loss[again], [0.0, 0.3, 0.7]))


def test_no_slides_no_curve() -> None:
    assert np.isnan(referral_curve(np.empty(0), np.empty(0), [0.0, 0.5])).all()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20),
    st.floats(0, 0.99),
)
def test_net_benefit_by_its_definition(items: list[tuple[float, bool]], limit: float) -> None:
    true = sum(p >= limit and case for p, case in items)
    false = sum(p >= limit and not case for p, case in items)
    wanted = true / len(items) - false / len(items) * limit / (1 - limit)
    probability, positive = np.array([p for p, _ in items]), [case for _, case in items]
    assert net_benefit(probability, positive, [limit])[0] == pytest.approx(wanted)
    prevalence = np.mean(positive)
    of_all = prevalence - (1 - prevalence) * limit / (1 - limit)
    assert net_benefit_of_all(positive, [limit])[0] == pytest.approx(of_all)


def test_net_benefit_with_weights_equals_repeated_slides() -> None:
    draw = np.random.default_rng(1)
    probability, positive = draw.random(30), draw.random(30) < 0.4
    weights = draw.integers(0, 3, (4, 30))
    found = net_benefit(probability, positive, [0.1, 0.5], weights)
    for row, curve in zip(weights, found, strict=True):
        again = np.repeat(np.arange(30), row)
        wanted = net_benefit(probability[again], positive[again], [0.1, 0.5])
        assert curve == pytest.approx(wanted)


def test_certainty_is_no_threshold() -> None:
    with pytest.raises(InvalidValueError, match="threshold"):
        net_benefit(np.ones(2), [True, False], [1.0])
