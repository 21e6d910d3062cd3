from __future__ import annotations

import math

import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from pathoai.errors import InvalidValueError
from pathoai.metrics.exact_interval import Share


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (3, 10), (0, 50), (49, 50), (7, 300)])
def test_against_statsmodels(count: int, total: int) -> None:
    low, high = proportion_confint(count, total, method="beta")
    share = Share(count, total)
    assert (share.low, share.high) == pytest.approx((low, high))
    assert share.low <= share.value <= share.high


def test_by_its_definition() -> None:
    share = Share(3, 20, level=0.9)
    assert binom.cdf(3, 20, share.high) == pytest.approx(0.05)
    assert binom.sf(2, 20, share.low) == pytest.approx(0.05)


def test_none_of_none_is_unknown() -> None:
    share = Share(0, 0)
    assert math.isnan(share.value)
    assert (share.low, share.high) == (0, 1)


@pytest.mark.parametrize(("count", "total", "level"), [(-1, 2, 0.9), (3, 2, 0.9), (1, 2, 1.0)])
def test_what_is_no_share_is_refused(count: int, total: int, level: float) -> None:
    with pytest.raises(InvalidValueError, match="share"):
        Share(count, total, level)
