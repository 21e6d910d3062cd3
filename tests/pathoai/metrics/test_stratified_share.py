"""Shares of sampled strata: against exact intervals, and by how often their limits hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pathoai.errors import InvalidValueError
from pathoai.metrics.exact_interval import Share
from pathoai.metrics.stratified_share import SampledStratum, StratifiedShare


def test_one_stratum_is_the_exact_interval() -> None:
    found = StratifiedShare((SampledStratum(3.5, Share(17, 20)),))
    low, high = proportion_confint(17, 20, method="beta")
    assert found.value == pytest.approx(17 / 20)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_several_strata_are_weighed_and_share_the_level() -> None:
    strata = (SampledStratum(1.0, Share(9, 10)), SampledStratum(3.0, Share(30, 40)))
    found = StratifiedShare(strata)
    one, two = (proportion_confint(*n, alpha=0.025, method="beta") for n in ((9, 10), (30, 40)))
    assert found.value == pytest.approx((0.9 + 3 * 0.75) / 4)
    assert found.low == pytest.approx((one[0] + 3 * two[0]) / 4)
    assert found.high == pytest.approx((one[1] + 3 * two[1]) / 4)


def test_what_nobody_sampled_can_be_anything() -> None:
    found = StratifiedShare((SampledStratum(1.0, Share(5, 5)), SampledStratum(1.0, Share(0, 0))))
    assert math.isnan(found.value)
    assert found.high == 1.0
    assert found.low == pytest.approx(Share(5, 5, 0.975).low / 2)
    empty = StratifiedShare((SampledStratum(0.0, Share(0, 0)),))
    assert math.isnan(empty.value)
    assert (empty.low, empty.high) == (0.0, 1.0)
    kept = StratifiedShare((SampledStratum(1.0, Share(5, 5)), SampledStratum(0.0, Share(0, 0))))
    assert kept.low == pytest.approx(Share(5, 5).low)


def test_negative_weights_and_impossible_levels_are_refused() -> None:
    for weight, level in ((-1.0, 0.95), (math.nan, 0.95), (1.0, 1.0)):
        with pytest.raises(InvalidValueError, match="strata of a population"):
            StratifiedShare((SampledStratum(weight, Share(1, 2)),), level)


@pytest.mark.parametrize("shares", [(0.95, 0.99), (0.5, 0.8), (0.02, 1.0)])
def test_limits_hold_the_truth_as_often_as_they_say(shares: tuple[float, float]) -> None:
    """Over every possible outcome, weighed by how probable it is: no simulation is needed."""
    weights, sizes = (0.2, 0.8), (15, 10)
    truth = sum(w * p for w, p in zip(weights, shares, strict=True))
    covered = 0.0
    for first in range(sizes[0] + 1):
        for second in range(sizes[1] + 1):
            counts = (first, second)
            found = StratifiedShare(
                tuple(
                    SampledStratum(w, Share(k, n))
                    for w, k, n in zip(weights, counts, sizes, strict=True)
                )
            )
            if found.low <= truth <= found.high:
                parts = zip(counts, sizes, shares, strict=True)
                covered += float(np.prod([stats.binom.pmf(k, n, p) for k, n, p in parts]))
    assert covered >= 0.95
