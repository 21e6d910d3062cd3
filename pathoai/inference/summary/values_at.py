"""Looking points of a slide up in a plane that lies over it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Value = TypeVar("_Value", bound=np.generic)


def values_at(
    plane: NDArray[_Value], pixel: tuple[float, float], xy: NDArray[np.float64]
) -> NDArray[_Value]:
    """The values of a plane at points, ``(N,)``; zero for points off the plane, and for none.

    Args:
        plane: ``(H, W)``, its top left at the slide's.
        pixel: Width and height of its pixels, level-0 pixels.
        xy: ``(N, 2)`` level-0 pixels; NaN for what has no place.
    """
    column, row = np.floor(xy / np.array(pixel)).T
    height, width = plane.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.zeros(len(xy), plane.dtype)
    found[inside] = plane[row[inside].astype(np.int64), column[inside].astype(np.int64)]
    return found
