"""Pixels of an object: what goes in comes out, in an eighth of the memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.inference.patch import Patch

SIDE = 24


@st.composite
def patches(draw: st.DrawFn) -> Patch:
    height, width = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    y, x = draw(st.integers(0, SIDE - height)), draw(st.integers(0, SIDE - width))
    return Patch.of(y, x, np.array(bits).reshape(height, width))


def raster_of(patch: Patch) -> np.ndarray:
    raster = np.zeros((SIDE, SIDE), bool)
    rows, columns = patch.window
    raster[rows, columns] = patch.mask
    return raster


@given(patches(), patches())
def test_patches_are_sets_of_pixels(one: Patch, other: Patch) -> None:
    mine, its = raster_of(one), raster_of(other)
    assert one.area_px == mine.sum()
    assert one.common_px(other) == (mine & its).sum()
    np.testing.assert_array_equal(raster_of(one.without([other])), mine & ~its)
    part = slice(5, 17), slice(3, 20)
    within = np.zeros_like(mine)
    within[part] = mine[part]
    np.testing.assert_array_equal(raster_of(one.inside(part)), within)
    np.testing.assert_array_equal(one.on(part), mine[part])
    pasted = np.zeros((SIDE, SIDE), np.uint32)
    one.paste(pasted, 7, y=0, x=0)
    np.testing.assert_array_equal(pasted == 7, mine)


@given(patches())
def test_parts_are_apart_and_all_there_is(patch: Patch) -> None:
    parts = [raster_of(part) for part in patch.parts()]
    np.testing.assert_array_equal(np.sum(parts, axis=0, initial=0), raster_of(patch))


def test_a_mask_is_a_copy_that_may_be_changed() -> None:
    patch = Patch.of(0, 0, np.ones((3, 3), bool))
    patch.mask[:] = False
    assert patch.area_px == 9


@pytest.mark.parametrize("shape", [(2048, 2048), (1000, 3)])
def test_what_waits_takes_a_bit_for_each_pixel(shape: tuple[int, int]) -> None:
    patch = Patch.of(0, 0, np.ones(shape, bool))
    assert patch.bits.nbytes == -(-shape[0] * shape[1] // 8)
    assert patch.area_px == shape[0] * shape[1]
