"""Shares of tissue in rectangles, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Size
from pathoai.tissue.mask import TissueMask

_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


def _mask(mask: NDArray[np.bool_], downsample: float) -> TissueMask:
    height, width = mask.shape
    return TissueMask(mask, Grid(Size(width, height), downsample, downsample), 8.0, "otsu")


def _exact(
    mask: NDArray[np.bool_], downsample: float, box: tuple[float, float, float, float]
) -> Fraction:
    """Share of a rectangle that tissue covers, pixel by pixel, without rounding."""
    left, top, width, height = (Fraction(v) for v in box)
    covered, step = Fraction(0), Fraction(downsample)
    for y, x in np.argwhere(mask).tolist():
        across = min((x + 1) * step, left + width) - max(x * step, left)
        along = min((y + 1) * step, top + height) - max(y * step, top)
        if across > 0 and along > 0:
            covered += across * along
    return covered / (width * height)


@settings(max_examples=200)
@given(
    _masks,
    st.sampled_from([1.0, 1.37, 16.0]),
    st.floats(-30, 120),
    st.floats(-30, 120),
    st.floats(0.5, 90),
    st.floats(0.5, 90),
)
def test_fractions_are_exact_and_no_tissue_is_exactly_none(
    mask: NDArray[np.bool_], downsample: float, left: float, top: float, width: float, height: float
) -> None:
    tissue = _mask(mask, downsample)
    found = tissue.fraction(np.array([left]), np.array([top]), (width, height))
    assert found.dtype == np.float32
    expected = float(_exact(mask, downsample, (left, top, width, height)))
    assert found[0] == pytest.approx(expected, abs=1e-5)
    # Rounding must neither invent tissue on glass nor turn a share negative.
    assert found[0] >= 0
    if expected == 0:
        assert found[0] == 0


def test_rounding_finds_no_tissue_on_glass() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((300, 400), bool)
    mask[:137, :211] = rng.random((137, 211)) < 0.5
    left, top = rng.uniform(215, 380, 50_000), rng.uniform(0, 250, 50_000)
    found = _mask(mask, 16.13).fraction(left * 16.13, top * 16.13, (256.3, 256.3))
    assert not found.any()


@given(_masks, st.integers(1, 5))
def test_a_finer_grid_repeats_the_mask(mask: NDArray[np.bool_], factor: int) -> None:
    tissue = _mask(mask, float(factor))
    height, width = mask.shape
    fine = Grid(Size(width * factor, height * factor), 1.0, 1.0)
    found = tissue.on_grid(fine, slice(0, height * factor), slice(0, width * factor))
    np.testing.assert_array_equal(found, np.kron(mask, np.ones((factor, factor), bool)))
    rows, columns = slice(height * factor // 2, height * factor), slice(0, 1)
    np.testing.assert_array_equal(tissue.on_grid(fine, rows, columns), found[rows, columns])


def test_a_mask_of_another_size_than_its_grid_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="differ in size"):
        TissueMask(np.zeros((3, 4), bool), Grid(Size(3, 4), 1.0, 1.0), 8.0, "otsu")


def test_area_is_in_square_millimetres() -> None:
    assert _mask(np.ones((125, 125), bool), 1.0).area_mm2 == pytest.approx(1.0)
