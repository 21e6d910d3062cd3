"""Coarser levels: each pixel by its definition, one after the other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pathoai.store.pyramid import block_mean


@given(st.data(), st.integers(1, 5), st.tuples(*[st.integers(0, 5)] * 3))
def test_a_coarser_pixel_is_the_rounded_mean_of_its_square(
    data: st.DataObject, step: int, shape: tuple[int, int, int]
) -> None:
    channels, height, width = shape
    pixels = data.draw(arrays.arrays(np.uint8, (channels, step * height, step * width)))
    found = block_mean(pixels, step)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, _by_definition(pixels, step, shape))


def test_a_part_of_a_picture_need_not_lie_together_in_memory() -> None:
    whole = np.random.default_rng(3).integers(0, 256, (3, 9, 13), np.uint8)
    part = whole[:, 1:9, 1:13]
    for pixels in (part, np.asfortranarray(part), part[::-1, :, ::-1]):
        expected = _by_definition(pixels, 2, (3, 4, 6))
        np.testing.assert_array_equal(block_mean(pixels, 2), expected)


def test_the_brightest_stays_so() -> None:
    assert (block_mean(np.full((1, 4, 4), 255, np.uint8), 2) == 255).all()


def _by_definition(
    pixels: NDArray[np.uint8], step: int, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    out = np.zeros(shape, np.uint8)
    for channel, y, x in np.ndindex(*shape):
        square = pixels[channel, step * y : step * (y + 1), step * x : step * (x + 1)]
        out[channel, y, x] = int(Fraction(int(square.sum()), step**2) + Fraction(1, 2))
    return out
