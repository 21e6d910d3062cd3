"""Tissue by its colour: glass is colourless and stain is not, whatever the brightness of the lamp.

The signal is the largest minus the smallest optical density of red, green and blue. It is a ratio
of intensities, so a lamp, a shadow or a seam between camera fields does not show in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.otsu import Bounds, tissue_threshold
from pathoai.tissue.strips import in_strips


@dataclass(frozen=True, slots=True)
class Saturation:
    """Otsu's threshold on colourfulness.

    Args:
        bounds: Of the threshold, differences of optical density (base 10).
        smoothing_um: Deviation of the blur before colours are compared: camera noise is coloured.
    """

    bounds: Bounds
    smoothing_um: float = 4.0

    def find(
        self, pixels: NDArray[np.uint8], mpp: float, foreign: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Where there is colour, ``(H, W)`` bool.

        Args:
            pixels: ``(H, W, 3)`` uint8.
            mpp: Their scale, µm per pixel.
            foreign: ``(H, W)`` bool: ink and the like, neither glass nor tissue.
        """
        signal = saturation(pixels, self.smoothing_um / mpp)
        return (signal > tissue_threshold(signal, self.bounds, foreign)) & ~foreign


def saturation(pixels: NDArray[np.uint8], sigma_px: float) -> NDArray[np.float32]:
    """Largest minus smallest optical density (base 10) of the channels.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        sigma_px: Deviation of the blur before.

    Returns:
        ``(H, W)`` float32.
    """

    def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        highest = np.full(strip.shape[:2], -np.inf, np.float32)
        lowest = np.full(strip.shape[:2], np.inf, np.float32)
        for channel in range(3):
            smooth = ndimage.gaussian_filter(strip[..., channel].astype(np.float32), sigma_px)
            np.maximum(highest, smooth, out=highest)
            np.minimum(lowest, smooth, out=lowest)
        return np.asarray(np.log10((highest + 1) / (lowest + 1)), dtype=np.float32)

    return in_strips(of_strip, pixels, margin_px=int(4 * sigma_px) + 1)
