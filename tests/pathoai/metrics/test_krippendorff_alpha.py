from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.metrics.krippendorff_alpha import MISSING, Level, coincidences, krippendorff_alpha

_ = MISSING
# Krippendorff 2011, section C: four readers, twelve items, some not read; classes 1 to 5.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
).T


@pytest.mark.parametrize(
    ("level", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_a_published_example(level: Level, value: float) -> None:
    found = krippendorff_alpha(coincidences(PUBLISHED, classes=6).sum(0), level)
    assert found == pytest.approx(value, abs=5e-4)


def _by_definition(values: NDArray[np.int64], level: Level) -> float:
    """1 − observed over expected disagreement, over all pairs, written out."""
    units = [[v for v in row if v != MISSING] for row in values]
    units = [unit for unit in units if len(unit) > 1]
    pool = [v for unit in units for v in unit]

    def apart(a: int, b: int) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return float(a - b) ** 2
        low, high = sorted((a, b))
        between = sum(low <= v <= high for v in pool)
        return float(between - (pool.count(a) + pool.count(b)) / 2) ** 2

    observed = sum(
        sum(apart(a, b) for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1)
        for unit in units
    ) / len(pool)
    pairs = itertools.permutations(pool, 2)
    expected = sum(apart(a, b) for a, b in pairs) / (len(pool) * (len(pool) - 1))
    return float(1 - observed / expected)


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("seed", range(3))
def test_against_the_definition(level: Level, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(-1, 4, (25, 3))
    found = krippendorff_alpha(coincidences(values, classes=4).sum(0), level)
    assert found == pytest.approx(_by_definition(values, level))


def test_the_numbers_that_classes_stand_for_count_for_intervals() -> None:
    values = np.array([[0, 1], [1, 1], [2, 2], [0, 2]])
    counts = coincidences(values, classes=3).sum(0)
    plain = krippendorff_alpha(counts, "interval", scale=(0, 1, 2))
    assert plain == pytest.approx(krippendorff_alpha(counts, "interval"))
    assert krippendorff_alpha(counts, "interval", scale=(0, 1, 9)) != pytest.approx(plain)


def test_nothing_to_disagree_on_is_not_a_number() -> None:
    assert np.isnan(krippendorff_alpha(coincidences([[1, 1], [1, 1]], classes=2).sum(0), "nominal"))
    assert np.isnan(krippendorff_alpha(coincidences([[1, _]], classes=2).sum(0), "ordinal"))


def test_many_resamples_at_once() -> None:
    draw = np.random.default_rng(5)
    items = coincidences(draw.integers(-1, 3, (20, 3)), classes=3)
    sums = np.tensordot(draw.integers(0, 3, (6, 20)), items, axes=1)
    for level in get_args(Level):
        one_by_one = [krippendorff_alpha(one, level) for one in sums]
        assert krippendorff_alpha(sums, level) == pytest.approx(np.array(one_by_one))
