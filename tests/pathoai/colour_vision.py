"""Colours as colour-blind readers see them, and how far apart they look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

Colours = NDArray[np.float64]

VISIONS: dict[str, Colours] = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""Machado GM, Oliveira MM, Fernandes LAF. A physiologically-based model for simulation of color
vision deficiency. IEEE Trans Vis Comput Graph 2009;15:1291-1298. At severity 1.0, of linear RGB."""


def seen(srgb: Colours, vision: str) -> Colours:
    """Colours ``(n, 3)``, sRGB from 0 to 1, as that vision sees them, likewise."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    other = np.clip(linear @ VISIONS[vision].T, 0, 1)
    return np.where(other <= 0.0031308, 12.92 * other, 1.055 * other ** (1 / 2.4) - 0.055)


def differences(srgb: Colours, vision: str) -> Colours:
    """CIEDE2000 between all pairs of colours ``(n, 3)`` as that vision sees them, ``(n, n)``."""
    lab = rgb2lab(seen(srgb, vision)[None])[0]
    found: Colours = deltaE_ciede2000(lab[:, None], lab[None])
    return found
