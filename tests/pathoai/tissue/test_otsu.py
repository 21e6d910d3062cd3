"""Otsu's threshold, against its definition; and the bounds that keep it from splitting noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pathoai.tissue.otsu import Bounds, otsu, tissue_threshold

_counts = hnp.arrays(np.int64, st.integers(3, 30), elements=st.integers(0, 50)).filter(
    lambda counts: (counts > 0).sum() >= 2
)


def _variance_between(counts: NDArray[np.int64], last_below: int) -> float:
    """Of two classes of bins numbered from 0, by the definition of 1979."""
    values, total = np.arange(len(counts)), counts.sum()
    below, above = counts[: last_below + 1], counts[last_below + 1 :]
    if not below.sum() or not above.sum():
        return 0.0
    low = float((values[: last_below + 1] * below).sum() / below.sum())
    high = float((values[last_below + 1 :] * above).sum() / above.sum())
    return float(below.sum() / total * above.sum() / total * (high - low) ** 2)


@given(_counts)
def test_no_other_split_separates_better(counts: NDArray[np.int64]) -> None:
    found = int(otsu(counts, np.arange(len(counts), dtype=np.float64)))
    best = max(_variance_between(counts, i) for i in range(len(counts)))
    assert _variance_between(counts, found) == pytest.approx(best)


BOUNDS = Bounds(lowest=0.01, highest=0.1)


def _glass(count: int, deviation: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(0.005, deviation, count)
    return np.abs(noise).astype(np.float32)


def test_tissue_is_told_from_glass() -> None:
    tissue = np.random.default_rng(1).normal(0.2, 0.03, 5_000).astype(np.float32)
    found = tissue_threshold(np.concatenate([_glass(50_000, 0.001), tissue]), BOUNDS)
    assert 0.01 <= found <= 0.1


@pytest.mark.parametrize("deviation", [0.001, 0.003, 0.01])
def test_glass_alone_stays_below(deviation: float) -> None:
    glass = _glass(100_000, deviation)
    assert (glass > tissue_threshold(glass, BOUNDS)).mean() < 1e-4


def test_tissue_alone_stays_above() -> None:
    tissue = np.random.default_rng(1).normal(0.3, 0.04, 10_000).astype(np.float32)
    assert tissue_threshold(tissue, BOUNDS) == BOUNDS.highest


def test_dark_tissue_does_not_hide_pale_tissue() -> None:
    rng = np.random.default_rng(1)
    pale = rng.normal(0.12, 0.005, 3_000).astype(np.float32)
    dark = rng.normal(1.5, 0.1, 20_000).astype(np.float32)
    found = tissue_threshold(np.concatenate([_glass(20_000, 0.001), pale, dark]), BOUNDS)
    assert (pale > found).all()


def test_a_little_pale_tissue_is_above_the_noise() -> None:
    pale = np.full(200, 0.02, np.float32)
    assert tissue_threshold(np.concatenate([_glass(100_000, 0.001), pale]), BOUNDS) < 0.02


def test_nothing_to_look_at_gives_the_highest() -> None:
    assert tissue_threshold(np.empty(0, np.float32), BOUNDS) == BOUNDS.highest
