"""Pieces of masks, against SciPy's labelling of every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.pieces import Pieces

_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))


def _expect_scipys(mask: NDArray[np.bool_], *, corners: bool) -> None:
    structure = np.ones((3, 3)) if corners else None
    labels, count = ndimage.label(mask, structure)
    pieces = Pieces(mask, corners=corners)
    assert pieces.count == count
    values = np.random.default_rng(0).integers(0, 9, mask.shape).astype(np.uint8)
    np.testing.assert_array_equal(pieces.numbers(), labels)
    numbers = np.arange(1, count + 1)
    area, total = np.ones(mask.shape), ndimage.sum_labels(values, labels, numbers)
    # In the same order: both count from the first pixel of each, row by row.
    np.testing.assert_array_equal(pieces.area_px[1:], ndimage.sum_labels(area, labels, numbers))
    np.testing.assert_array_equal(pieces.totals(values)[1:], total)
    for number in numbers:
        keep = np.arange(count + 1) == number
        np.testing.assert_array_equal(pieces.selected(keep), labels == number)
    rim = np.ones(mask.shape, bool)
    rim[1:-1, 1:-1] = False
    np.testing.assert_array_equal(
        pieces.at_border[1:], ndimage.sum_labels(mask & rim, labels, numbers) > 0
    )


@given(_masks, st.booleans())
def test_they_are_those_of_every_pixel(mask: NDArray[np.bool_], corners: bool) -> None:
    _expect_scipys(mask, corners=corners)


@pytest.mark.parametrize("corners", [False, True])
def test_long_winding_pieces_are_one(corners: bool) -> None:
    """A spiral and a comb: joined only after many rows."""
    spiral = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        spiral[ring, ring : 41 - ring] = spiral[40 - ring, ring : 41 - ring] = True
        spiral[ring:, 40 - ring][: 41 - 2 * ring] = True
        spiral[ring + 2 : 41 - ring, ring] = True
        spiral[ring + 2, ring : ring + 3] = True
    comb = np.zeros((30, 61), bool)
    comb[:, ::2] = comb[-1] = True
    for mask in (spiral, comb, comb[::-1], spiral.T):
        _expect_scipys(mask, corners=corners)
    assert Pieces(comb, corners=corners).count == 1


def test_nothing_has_no_pieces() -> None:
    pieces = Pieces(np.zeros((3, 4), bool), corners=True)
    assert pieces.count == 0
    assert not pieces.totals(np.ones((3, 4))).any()
    assert not pieces.selected(np.array([True])).any()
