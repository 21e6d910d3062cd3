"""What a network of instances learns besides classes: how deep inside its object each pixel lies.

One map per pixel, 0 to 1: 1 in the middle of an object, falling to its rim, and free of scale so
that small and large nuclei weigh alike. The idea is that of Naylor P et al. Segmentation of nuclei
in histology images by deep regression of the distance map. IEEE Trans Med Imaging 2019, normalised
per object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAPS = ("distance",)
"""Channels that follow the classes in the output of a network of instances."""


def instance_maps(numbers: NDArray[np.integer]) -> NDArray[np.float32]:
    """The maps of an image of numbered objects.

    Args:
        numbers: ``(H, W)`` integers, 0 outside objects.

    Returns:
        ``(1, H, W)`` float32: distance from the rim over the object's largest, 0 outside objects.
    """
    from scipy import ndimage

    maps = np.zeros((len(MAPS), *numbers.shape), np.float32)
    inside = numbers > 0
    if not inside.any():
        return maps
    _, which = np.unique(numbers[inside], return_inverse=True)
    depth = ndimage.distance_transform_edt(inside & ~_touches_another(numbers))[inside] + 1
    deepest = np.zeros(which.max() + 1)
    np.maximum.at(deepest, which, depth)
    maps[0, inside] = depth / deepest[which]
    return maps


def _touches_another(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels beside one of another number, ``(H, W)`` bool; the image's border is no rim."""
    rim = np.zeros(numbers.shape, np.bool_)
    # The same views with the axes swapped: both directions in one loop.
    for turned, into in ((numbers, rim), (numbers.T, rim.T)):
        differs = turned[1:] != turned[:-1]
        into[1:] |= differs
        into[:-1] |= differs
    return rim
