"""Distances from training data: the shrunk covariance, left-out groups, honest percentiles."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from pathoai.errors import InvalidValueError
from pathoai.models.reference_statistics import ReferenceStatistics, shrunk_covariance


def _normal(count: int, size: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) @ rng.normal(size=(size, size))


@pytest.mark.parametrize(("count", "size"), [(5, 20), (40, 7), (500, 3)])
def test_covariance_is_ledoit_and_wolfs(count: int, size: int) -> None:
    vectors = _normal(count, size)
    np.testing.assert_allclose(shrunk_covariance(vectors), ledoit_wolf(vectors)[0], atol=1e-10)


def test_distance_is_mahalanobis() -> None:
    vectors = _normal(60, 5)
    statistics = ReferenceStatistics.of(vectors)
    covariance = np.array(statistics.covariance)
    np.testing.assert_allclose(covariance, shrunk_covariance(vectors), rtol=1e-4, atol=1e-4)
    for one in _normal(4, 5, seed=9):
        centred = one - vectors.mean(axis=0)
        expected = float(centred @ np.linalg.inv(covariance) @ centred) ** 0.5
        assert statistics.distance(one[None])[0] == pytest.approx(expected)


def test_reference_distances_are_of_what_was_left_out() -> None:
    vectors = _normal(12, 3)
    statistics = ReferenceStatistics.of(vectors)
    alone = []
    for index in range(12):
        others = ReferenceStatistics.of(np.delete(vectors, index, axis=0))
        alone.append(others.distance(vectors[index : index + 1])[0])
    np.testing.assert_allclose(statistics.distances, sorted(alone))


def test_tiles_of_a_slide_are_left_out_together() -> None:
    """Slides differ more than their tiles do: tiles left out one by one would all look usual."""
    rng = np.random.default_rng(1)
    slide = np.repeat(np.arange(10), 30)
    tiles = rng.normal(size=(10, 4))[slide] * 5 + rng.normal(size=(300, 4))
    new = rng.normal(size=(200, 1, 4)) * 5 + rng.normal(size=(200, 30, 4))
    by_slide, by_tile = ReferenceStatistics.of(tiles, slide), ReferenceStatistics.of(tiles)
    unusual = [
        float((s.percentile(s.distance(new.reshape(-1, 4))) >= 95).mean())
        for s in (by_slide, by_tile)
    ]
    assert unusual[0] < unusual[1]


def test_percentiles_are_conformal() -> None:
    """Of new vectors like the reference at most 5 % lie at 95 or above, for any distribution."""
    shares = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        raw = rng.exponential(size=(140, 6)) ** 2
        statistics = ReferenceStatistics.of(raw[:100])
        percentile = statistics.percentile(statistics.distance(raw[100:]))
        shares.append(float((percentile >= 95).mean()))
    assert np.mean(shares) <= 0.055


def test_few_references_cannot_say_more_than_farthest() -> None:
    statistics = ReferenceStatistics.of(_normal(7, 2))
    far = statistics.percentile(statistics.distance(np.full((1, 2), 1e6)))
    assert far[0] == statistics.highest_percentile == pytest.approx(100 * 7 / 8)
    assert statistics.percentile([0.0])[0] == pytest.approx(0)


def test_long_vectors_are_projected_alike_in_every_process() -> None:
    vectors = _normal(80, 300)
    statistics = ReferenceStatistics.of(vectors)
    assert len(statistics.mean) == 64
    again = ReferenceStatistics.from_dict(json.loads(json.dumps(statistics.to_dict())))
    assert again == statistics
    shifted = vectors[:5] + 20 * np.abs(vectors).max()
    assert statistics.percentile(again.distance(shifted)).min() == statistics.highest_percentile


def test_what_never_varied_makes_no_distance_infinite() -> None:
    vectors = np.zeros((10, 3))
    statistics = ReferenceStatistics.of(vectors)
    assert np.isfinite(statistics.distance(np.ones((1, 3)))).all()
    assert statistics.distance(vectors) == pytest.approx(0)


def test_what_no_statistics_can_be_made_of_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="too few"):
        ReferenceStatistics.of(np.zeros((2, 3)))
    with pytest.raises(InvalidValueError, match="finite"):
        ReferenceStatistics.of(np.array([[np.nan], [0], [1]]))
    with pytest.raises(InvalidValueError, match="another length"):
        ReferenceStatistics.of(_normal(5, 3)).distance(np.zeros((1, 4)))
    with pytest.raises(InvalidValueError, match="groups"):
        ReferenceStatistics.of(_normal(5, 3), [0, 1])
    raw = ReferenceStatistics.of(_normal(5, 3)).to_dict()
    for broken in ({}, raw | {"mean": [0.0]}, raw | {"extra": 1}, raw | {"distances": ["far"]}):
        with pytest.raises(InvalidValueError, match="reference statistics"):
            ReferenceStatistics.from_dict(broken)
