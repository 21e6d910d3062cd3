"""The class of a tile against counting its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.geometry import Grid, Size
from pathoai_training.data.tile_classes import TileClassRule, class_shares, tile_classes


@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([1, 2, 4]))
def test_shares_are_those_of_the_pixels(seed: int, size_px: int, coarser: int) -> None:
    rng = np.random.default_rng(seed)
    channels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (12, 16))
    fine = channels.repeat(coarser, 0).repeat(coarser, 1)
    origins = rng.integers(0, 12 * coarser - size_px + 1, (20, 2))
    shares = class_shares(
        origins,
        size_px,
        Grid(Size(16 * coarser, 12 * coarser), 1.0, 1.0),
        (channels, Grid(Size(16, 12), float(coarser), float(coarser))),
        3,
    )
    for (x, y), row in zip(origins, shares, strict=True):
        tile = fine[y : y + size_px, x : x + size_px]
        assert row == pytest.approx([(tile == c).mean() for c in range(3)], abs=1e-5)


def test_dominant_and_contained_classes() -> None:
    shares = np.array([[0.9, 0.08, 0.02], [0.5, 0.5, 0.0], [0.6, 0.4, 0.005], [0, 0, 0]])
    shares = shares.astype(np.float32)
    assert tile_classes(shares, TileClassRule.DOMINANT).tolist() == [0, 0, 0, 0]
    found = tile_classes(shares, TileClassRule.CONTAINS, rarest_first=[2, 1, 0])
    assert found.tolist() == [2, 1, 1, 0]
