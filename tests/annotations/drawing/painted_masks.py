"""Masks as strokes paint them, and the raster that defines what an outline holds."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Grid, Size
from pathoai.vector.rasterise import rasterise
from pathoai_annotations.drawing.block import Block

SIDE_PX = 12
BLOCK = Block(300.25, 700.5, 4.0, 4.0, Size(SIDE_PX, SIDE_PX))
UNIT = Block(0, 0, 1, 1, Size(SIDE_PX, SIDE_PX))

any_mask = arrays(np.bool_, (SIDE_PX, SIDE_PX))


@st.composite
def strokes(draw: st.DrawFn) -> NDArray[np.bool_]:
    """A union of discs, as a brush leaves it; never empty."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    rows, columns = np.ogrid[:SIDE_PX, :SIDE_PX]
    place = st.integers(0, SIDE_PX - 1)
    for _ in range(draw(st.integers(1, 4))):
        y, x, radius = draw(place), draw(place), draw(st.integers(0, 4))
        mask |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return mask


def raster(geometry: BaseGeometry | None) -> NDArray[np.bool_]:
    """The pixels of the unit block whose centres an area holds."""
    if geometry is None:
        return np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    grid = Grid(Size(SIDE_PX, SIDE_PX), 1.0, 1.0)
    painted: NDArray[np.bool_] = rasterise([(geometry, 1)], grid) > 0
    return painted
