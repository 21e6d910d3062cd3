from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa as of_statsmodels

from pathoai.errors import InvalidValueError
from pathoai.metrics.fleiss_kappa import fleiss_kappa

# Fleiss 1971, table 1, in the form that textbooks repeat: 14 readers, 10 items, 5 classes.
PUBLISHED = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]


def test_a_published_example() -> None:
    assert fleiss_kappa(PUBLISHED) == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize("seed", range(4))
def test_against_statsmodels(seed: int) -> None:
    draw = np.random.default_rng(seed)
    grades = draw.integers(0, 4, (30, 3))
    counts = (grades[:, :, None] == np.arange(4)).sum(axis=1)
    assert fleiss_kappa(counts) == pytest.approx(of_statsmodels(counts))


def test_weights_are_repeated_items() -> None:
    weights = np.array([[1.0] * 10, [2, 0, 1, 3, 1, 0, 1, 1, 0, 1]])
    repeated = np.repeat(np.array(PUBLISHED), weights[1].astype(int), axis=0)
    expected = [fleiss_kappa(PUBLISHED), fleiss_kappa(repeated)]
    assert fleiss_kappa(PUBLISHED, weights) == pytest.approx(np.array(expected))


def test_where_all_say_the_same_chance_cannot_disagree() -> None:
    assert np.isnan(fleiss_kappa([[3, 0], [3, 0]]))
    assert fleiss_kappa([[3, 0], [0, 3]]) == pytest.approx(1)


def test_every_item_needs_as_many_readers() -> None:
    with pytest.raises(InvalidValueError, match="as many readers"):
        fleiss_kappa([[2, 1], [1, 1]])
    with pytest.raises(InvalidValueError, match="as many readers"):
        fleiss_kappa([[1, 0], [0, 1]])
