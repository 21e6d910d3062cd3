"""Pieces of tissue: sizes of holes, crumbs and gaps are those that the policy says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.fragments import FragmentPolicy, closed, dilated, eroded, filled, opened

_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))
MPP = 10.0
PIXEL_MM2 = 1e-4


def _policy(
    closing_um: float = 0, hole_mm2: float = 0, fragment_mm2: float = 0, thinnest_um: float = 0
) -> FragmentPolicy:
    return FragmentPolicy(closing_um, hole_mm2, fragment_mm2, thinnest_um)


@given(_masks)
def test_a_policy_of_nothing_changes_nothing(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(_policy().apply(mask, MPP), mask)


@pytest.mark.parametrize("side", [3, 4])
def test_crumbs_go_and_pieces_stay(side: int) -> None:
    mask = np.zeros((30, 30), bool)
    mask[5 : 5 + side, 5 : 5 + side] = True
    found = _policy(fragment_mm2=16 * PIXEL_MM2).apply(mask, MPP)
    assert found.sum() == (16 if side == 4 else 0)


@pytest.mark.parametrize("side", [4, 5])
def test_lumina_are_filled_and_rents_are_not(side: int) -> None:
    mask = np.ones((30, 30), bool)
    mask[10 : 10 + side, 10 : 10 + side] = False
    found = _policy(hole_mm2=16 * PIXEL_MM2).apply(mask, MPP)
    assert found[12, 12] == (side == 4)


def test_a_bay_of_glass_is_no_hole() -> None:
    mask = np.ones((30, 30), bool)
    mask[0:2, 10:12] = False
    np.testing.assert_array_equal(filled(mask, 1000), mask)


@pytest.mark.parametrize(("width", "stays"), [(3, False), (5, True)])
def test_lines_go_also_where_they_touch_tissue(width: int, stays: bool) -> None:
    mask = np.zeros((40, 40), bool)
    mask[:, :15] = True
    mask[20 : 20 + width] = True
    found = _policy(thinnest_um=40).apply(mask, MPP)
    assert found[20 + width // 2, 30] == stays
    assert found[:, :15].all()


@pytest.mark.parametrize(("gap", "is_bridged"), [(4, True), (5, False)])
def test_gaps_up_to_twice_the_closing_are_bridged(gap: int, is_bridged: bool) -> None:
    mask = np.ones((20, 40), bool)
    mask[:, 15 : 15 + gap] = False
    assert _policy(closing_um=20).apply(mask, MPP)[10, 16] == is_bridged


@given(_masks, st.integers(0, 4))
def test_morphology_is_that_of_a_square(mask: NDArray[np.bool_], reach: int) -> None:
    square = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    np.testing.assert_array_equal(dilated(mask, reach), ndimage.binary_dilation(mask, square))
    np.testing.assert_array_equal(
        eroded(mask, reach), ndimage.binary_erosion(mask, square, border_value=1)
    )
    assert (opened(mask, reach) <= mask).all()
    assert (closed(mask, reach) >= mask).all()
