from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.inference.mirrored_tiles import mirrored_tile

PICTURE = np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)
GRID = Grid(Size(31, 23), 1.0, 1.0)


class Picture:
    """Gives its pixels, and refuses to be asked for others."""

    def read_grid(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        assert grid is GRID
        assert min(x_px, y_px) >= 0
        found = PICTURE[y_px : y_px + size_px.height, x_px : x_px + size_px.width]
        assert found.shape[:2] == (size_px.height, size_px.width)
        return found


@given(st.integers(-70, 90), st.integers(-70, 90), st.integers(1, 60))
def test_outside_lies_the_mirror_image(x: int, y: int, size: int) -> None:
    padded = np.pad(PICTURE, ((92, 160), (93, 160), (0, 0)), mode="symmetric")
    expected = padded[y + 92 : y + 92 + size, x + 93 : x + 93 + size]
    np.testing.assert_array_equal(mirrored_tile(Picture(), GRID, x, y, size), expected)
