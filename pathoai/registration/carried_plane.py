"""Masks and class maps of one slide, as they lie on the other."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.registration.transform import PointMap

_ROWS_AT_ONCE = 512
_Value = TypeVar("_Value", bound=np.generic)


def plane_on_moving(
    plane: NDArray[_Value],
    plane_grid: Grid,
    transform: PointMap,
    grid: Grid,
    *,
    outside: int | bool,
) -> NDArray[_Value]:
    """A class map or mask of the fixed slide on a raster over the moving one.

    For the other direction give ``transform.swapped()``. Values are those of the pixel in which the
    centre of each new pixel lies: classes are not mixed.

    Args:
        plane: ``(H, W)``.
        plane_grid: Its raster, over the fixed slide.
        transform: Between both slides.
        grid: The raster of the result, over the moving slide.
        outside: Value where the other slide has no pixel.

    Returns:
        ``(grid.size_px.height, grid.size_px.width)``.
    """
    size, back = grid.size_px, transform.swapped()
    out = np.full((size.height, size.width), outside, plane.dtype)
    for top in range(0, size.height, _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, size.height))
        places = back.grid_to_moving_px(grid, rows, slice(0, size.width))
        columns_at = np.floor(places[..., 0] / plane_grid.downsample_x).astype(np.intp)
        rows_at = np.floor(places[..., 1] / plane_grid.downsample_y).astype(np.intp)
        inside = (columns_at >= 0) & (columns_at < plane.shape[1])
        inside &= (rows_at >= 0) & (rows_at < plane.shape[0])
        out[rows][inside] = plane[rows_at[inside], columns_at[inside]]
    return out
