"""Thresholds of a slide: adaptive, bounded, and nothing is found where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.ihc.recipe import MarkerTarget
from pathoai.ihc.threshold import threshold_of

TARGET = MarkerTarget(
    class_key="nucleus", chromogen="dab", compartment="nucleus", lowest_od=0.3, highest_od=0.9
)


def _slide(share: float, level: float, background: float = 0.06, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    amounts = np.abs(rng.normal(background, 0.03, 100_000))
    count = round(share * len(amounts))
    amounts[:count] = rng.normal(level, 0.15 * level, count)
    return amounts


@pytest.mark.parametrize("share", [0.001, 0.05, 0.6, 0.95])
def test_half_way_between_stained_and_not_whatever_the_share(share: float) -> None:
    found = threshold_of(_slide(share, 1.2), TARGET)
    assert found.seen
    assert found.od == pytest.approx((0.06 + 1.2) / 2, abs=0.05)
    assert found.surely_less < found.od < found.surely_more


@pytest.mark.parametrize("background", [0.02, 0.1, 0.2])
def test_a_negative_slide_has_no_positives(background: float) -> None:
    amounts = _slide(0, 1.0, background)
    found = threshold_of(amounts, TARGET)
    assert not found.seen
    assert found.od == TARGET.highest_od
    assert not (amounts > found.od).any()


def test_a_tail_of_noise_is_no_stain() -> None:
    amounts = np.random.default_rng(0).exponential(0.08, 100_000)
    found = threshold_of(amounts, TARGET)
    assert not found.seen
    assert (amounts > found.od).mean() < 2e-4


def test_pale_stain_lowers_it_and_dark_stain_raises_it_within_bounds() -> None:
    pale, usual, dark = (threshold_of(_slide(0.2, level), TARGET).od for level in (0.55, 1.2, 2.8))
    assert TARGET.lowest_od <= pale < usual < dark <= TARGET.highest_od


@given(
    st.lists(st.floats(0, 4, width=32), max_size=200),
    st.floats(0.05, 1.0),
    st.floats(0.0, 2.0),
    st.floats(0.0, 0.9),
)
def test_never_below_the_lowest_bound(
    amounts: list[float], lowest: float, more: float, doubt: float
) -> None:
    target = MarkerTarget(
        class_key="nucleus",
        chromogen="dab",
        compartment="nucleus",
        lowest_od=lowest,
        highest_od=lowest + more,
        in_doubt=doubt,
    )
    found = threshold_of(np.array(amounts, np.float32), target)
    assert found.od >= lowest - 1e-6
    assert found.surely_less <= found.od <= found.surely_more
