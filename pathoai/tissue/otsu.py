"""Tissue by Otsu's threshold on colourfulness.

Otsu N. A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern 1979.
Glass is colourless and stain is not, whatever the brightness of the lamp, so the threshold is set
on chroma (the largest minus the smallest of red, green and blue).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Otsu always splits, also a field of tissue alone or of glass alone. These bounds (of 255) keep
# clear glass out and clear stain in; between them the slide decides.
_CHROMA_OF_GLASS = 12.0
_CHROMA_OF_STAIN = 34.0
_SMOOTHING_UM = 8.0
_CLOSING_UM = 16.0
_SMALLEST_FRAGMENT_UM2 = 2_500.0
_LARGEST_HOLE_UM2 = 10_000.0


def otsu_tissue(pixels: NDArray[np.uint8], mpp: float) -> NDArray[np.bool_]:
    """Tissue in an image of a whole slide.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        mpp: Scale of the image, µm per pixel.

    Returns:
        ``(H, W)`` bool; fragments below 2,500 µm² are dropped and holes below 10,000 µm² filled.
    """
    from scipy import ndimage
    from skimage import filters, morphology

    chroma = pixels.max(axis=2).astype(np.float32) - pixels.min(axis=2)
    chroma = ndimage.gaussian_filter(chroma, _SMOOTHING_UM / mpp / 2)
    if float(chroma.max()) <= _CHROMA_OF_GLASS:
        return np.zeros(chroma.shape, bool)
    threshold = float(np.clip(filters.threshold_otsu(chroma), _CHROMA_OF_GLASS, _CHROMA_OF_STAIN))
    mask = chroma > threshold
    radius = max(1, round(_CLOSING_UM / mpp / 2))
    # Padding: closing must not treat the image's border as glass.
    padded = np.pad(mask, radius, mode="edge")
    closed = ndimage.binary_closing(padded, morphology.disk(radius))
    mask = closed[radius:-radius, radius:-radius]
    smallest_px = max(1, int(_SMALLEST_FRAGMENT_UM2 / mpp**2))
    largest_hole_px = max(1, int(_LARGEST_HOLE_UM2 / mpp**2))
    mask = morphology.remove_small_objects(mask, max_size=smallest_px)
    filled = morphology.remove_small_holes(mask, max_size=largest_hole_px)
    return np.asarray(filled, dtype=bool)
