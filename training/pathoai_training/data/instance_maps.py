"""From numbered objects to the maps that a network of instances learns.

What the maps are, and whose idea: :mod:`pathoai.models.instance_maps`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pathoai.models.instance_maps import MAPS


def instance_maps(numbers: NDArray[np.integer]) -> NDArray[np.float32]:
    """The maps of an image of numbered objects.

    Args:
        numbers: ``(H, W)`` integers, 0 outside objects.

    Returns:
        ``(1, H, W)`` float32: distance from the rim over the object's largest, 0 outside objects.
    """
    maps = np.zeros((len(MAPS), *numbers.shape), np.float32)
    inside = numbers > 0
    if not inside.any():
        return maps
    which = numbers[inside].astype(np.int64)
    which -= which.min()
    if which.max() >= numbers.size:  # else a table of them all is quicker than sorting pixels
        _, which = np.unique(which, return_inverse=True)
    apart = (inside & ~_touches_another(numbers)).view(np.uint8)
    depth = _distances(apart)[inside] + 1
    deepest = np.zeros(which.max() + 1, np.float32)
    np.maximum.at(deepest, which, depth)
    maps[0, inside] = depth / deepest[which]
    return maps


def _distances(apart: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Of each pixel to the nearest 0, exact, ``(H, W)`` float32 in pixels."""
    near = cv2.distanceTransform(apart, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV 5 rounds otherwise with another number of threads; squares are whole numbers.
    exact: NDArray[np.float32] = np.sqrt(np.rint(np.square(near, dtype=np.float64))).astype(
        np.float32
    )
    return exact


def _touches_another(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels beside one of another number, ``(H, W)`` bool; the image's border is no rim."""
    rim = np.zeros(numbers.shape, np.bool_)
    # The same views with the axes swapped: both directions in one loop.
    for turned, into in ((numbers, rim), (numbers.T, rim.T)):
        differs = turned[1:] != turned[:-1]
        into[1:] |= differs
        into[:-1] |= differs
    return rim
