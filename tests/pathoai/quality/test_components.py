"""Groups of cells: sizes, means over a mask, and what is straight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pathoai.quality.components import grown, masked_mean, straight_lines

_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10))


@given(_masks, st.integers(1, 6))
def test_groups_hold_a_seed_and_are_large_enough(mask: NDArray[np.bool_], least: int) -> None:
    seeds = mask & (np.indices(mask.shape).sum(axis=0) % 3 == 0)
    found = grown(seeds, mask, least)
    assert (found <= mask).all()
    # Growing again from what is left changes nothing, and a larger least takes nothing back.
    np.testing.assert_array_equal(grown(seeds & found, found, least), found)
    assert (grown(seeds, mask, least + 1) <= found).all()


def test_a_group_without_a_seed_is_left_out() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:3, 1:3] = mask[6:8, 6:8] = True
    seeds = np.zeros_like(mask)
    seeds[1, 1] = True
    assert grown(seeds, mask, 4).sum() == 4
    assert grown(seeds, mask, 5).sum() == 0


@pytest.mark.parametrize("side", [1, 3, 5])
def test_means_are_over_the_mask_alone(side: int) -> None:
    rng = np.random.default_rng(side)
    values = rng.uniform(1, 2, (20, 25)).astype(np.float32)
    mask = rng.random((20, 25)) < 0.4
    found = masked_mean(values, mask, side)
    reach = side // 2
    for y, x in np.ndindex(mask.shape):
        window = (slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1))
        inside = values[window][mask[window]]
        assert found[y, x] == pytest.approx(inside.mean() if inside.size else 0, rel=1e-4)


def test_straight_and_long_is_a_line_and_nothing_else_is() -> None:
    y, x = np.mgrid[:80, :120]
    tilted = np.abs(y - 20 - 0.1 * x) < 0.6
    ring = np.abs(np.hypot(y - 55, x - 60) - 15) < 0.8
    short = (y == 78) & (x > 5) & (x < 30)
    found = straight_lines(tilted | ring | short, 16.0)
    assert found[tilted].all()
    assert not found[ring & ~tilted].any()
    assert not found[short].any()
