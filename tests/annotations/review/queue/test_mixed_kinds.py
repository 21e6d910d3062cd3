"""Shares of kinds hold in every beginning of a queue, whatever the shares."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai_annotations.journal.region_reading import RegionKind
from pathoai_annotations.review.mixed_kinds import mixed_kinds
from pathoai_annotations.review.queue_settings import QueueSettings


@given(st.integers(0, 60), st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_every_beginning_has_its_share_of_every_kind(count: int, weights: list[int]) -> None:
    total = sum(weights) or 1
    shares = {kind: Fraction(weight, total) for kind, weight in enumerate(weights)}
    if not sum(weights):
        shares[0] = Fraction(1)
    order = mixed_kinds(count, shares)
    assert len(order) == count
    asked = sum(share > 0 for share in shares.values())
    most = 1 - Fraction(1, 2 * max(1, asked - 1))
    for length in range(count + 1):
        found = Counter(order[:length])
        for kind, share in shares.items():
            assert abs(found[kind] - share * length) <= most


def test_a_shorter_queue_is_the_beginning_of_a_longer_one() -> None:
    shares = QueueSettings().shares
    assert mixed_kinds(20, shares) == mixed_kinds(50, shares)[:20]
    assert Counter(mixed_kinds(20, shares)) == {
        RegionKind.COSTLY: 16,
        RegionKind.RANDOM: 2,
        RegionKind.CONTROL: 2,
    }


def test_shares_are_as_they_were_written() -> None:
    assert QueueSettings(random_share=0.1).shares[RegionKind.RANDOM] == Fraction(1, 10)
    assert QueueSettings(random_share=0.7, control_share=0.3).shares[RegionKind.COSTLY] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"regions": 0},
        {"random_share": -0.1},
        {"control_share": 1.2},
        {"random_share": 0.6, "control_share": 0.5},
        {"random_share": float("nan")},
        {"side_um": 1.0},
        {"screening_um": float("nan")},
    ],
)
def test_settings_that_make_no_queue_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError):
        QueueSettings(**wrong)  # type: ignore[arg-type] # of several types
