"""From polygons to a class map: a pixel belongs to a polygon that holds its centre."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Grid, Size


def rasterise(
    shapes: Iterable[tuple[BaseGeometry, int]],
    grid: Grid,
    *,
    origin_px: tuple[int, int] = (0, 0),
    size_px: Size | None = None,
    fill: int | np.uint32 = 0,
) -> NDArray[Any]:
    """Paint polygons into a block of a grid, later ones over earlier ones.

    Args:
        shapes: Geometries in level-0 pixels, each with its value.
        grid: The raster over the slide.
        origin_px: x and y of the block, in pixels of the grid.
        size_px: Size of the block; the whole grid where not given.
        fill: Value where there is no polygon; its type is the result's, a plain number's is uint8.

    Returns:
        ``(height, width)`` uint8, or uint32.
    """
    from rasterio import Affine, features

    size = size_px or grid.size_px
    transform = Affine(
        grid.downsample_x,
        0.0,
        origin_px[0] * grid.downsample_x,
        0.0,
        grid.downsample_y,
        origin_px[1] * grid.downsample_y,
    )
    painted = list(shapes)
    out = np.full((size.height, size.width), np.uint8(fill) if isinstance(fill, int) else fill)
    if painted:
        features.rasterize(painted, out=out, transform=transform)
    return out
