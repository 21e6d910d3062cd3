"""From verdicts on tiles to the precision of labels, held to statsmodels."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from statsmodels.stats.proportion import proportion_confint

from pathoai.errors import InvalidValueError
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.precision import LabelPrecision, StratumVerdicts, of_all_markers

POSITIVE, NEGATIVE = AuditStratum.POSITIVE, AuditStratum.NEGATIVE
FOUND = LabelPrecision(
    "MKI67",
    {"A" * 16: "0" * 64},
    {
        POSITIVE: StratumVerdicts(0.5, 30, accepted=24, rejected=3, unsure=2),
        NEGATIVE: StratumVerdicts(1.5, 20, accepted=20),
    },
    ("R1",),
    "2026-02-01T10:00:00+00:00",
)


def test_precision_is_the_share_of_decided_positive_tiles() -> None:
    assert FOUND.precision.value == pytest.approx(24 / 27)
    limits = proportion_confint(24, 27, method="beta")
    assert (FOUND.precision.low, FOUND.precision.high) == pytest.approx(limits)
    worst = FOUND.strata[POSITIVE].share_if_unsure_is_wrong
    assert (worst.count, worst.total) == (24, 29)
    assert (FOUND.read, FOUND.tiles) == (49, 50)
    assert FOUND.in_all.value == pytest.approx((0.5 * 24 / 27 + 1.5) / 2)


def test_what_is_written_says_all_that_it_rests_on_and_is_read_back() -> None:
    raw = json.loads(json.dumps(FOUND.to_dict()))
    assert raw["precision"]["estimate"] == round(24 / 27, 6)
    assert raw["complete"] is False
    assert raw["strata"]["positive"]["mm2_per_tile"] == pytest.approx(0.5 / 30)
    assert LabelPrecision.from_dict(raw) == FOUND


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("precision", "estimate"), 0.99),
        (("precision", "low"), 0.9),
        (("strata", "positive", "accepted"), 25),
        (("strata", "positive", "accepted"), 29),
        (("strata", "positive", "area_mm2"), "large"),
        (("right_in_all", "high"), 0.5),
        (("labels",), None),
    ],
)
def test_numbers_that_do_not_follow_from_the_counts_are_refused(
    path: tuple[str, ...], value: object
) -> None:
    raw = json.loads(json.dumps(FOUND.to_dict()))
    *parents, last = path
    inner = raw
    for key in parents:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(InvalidValueError, match=r"precision|verdicts|strata"):
        LabelPrecision.from_dict(raw)


def test_nobody_read_anything() -> None:
    strata = {s: StratumVerdicts(1.0, 5) for s in AuditStratum}
    found = replace(FOUND, strata=strata, readers=(), last_reading="")
    assert math.isnan(found.precision.value)
    assert (found.precision.low, found.precision.high) == (0.0, 1.0)
    raw = found.to_dict()
    assert raw["precision"] == {"estimate": None, "low": 0.0, "high": 1.0}
    assert LabelPrecision.from_dict(json.loads(json.dumps(raw))) == found


def test_markers_together_are_weighed_by_their_positive_area() -> None:
    other = replace(
        FOUND,
        marker="ER",
        strata={**FOUND.strata, POSITIVE: StratumVerdicts(1.5, 10, accepted=5, rejected=5)},
    )
    both = of_all_markers([FOUND, other])
    assert both.value == pytest.approx((0.5 * 24 / 27 + 1.5 * 0.5) / 2)
    assert both.low < both.value < both.high
    assert of_all_markers([FOUND]).low == pytest.approx(FOUND.precision.low)


def test_more_verdicts_than_tiles_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="verdicts"):
        StratumVerdicts(1.0, 3, accepted=2, rejected=2)
