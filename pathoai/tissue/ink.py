"""What is neither glass nor tissue, by its colour: pen ink, and the black around the glass.

Optical densities of layers add (Beer and Lambert), and no stain of histology absorbs red much more
than green: hematoxylin has the ratio 0.9, at most 1.2 on any scanner. Blue and green inks have 1.3
and more, even diluted. Tissue under ink falls back below it, and stays tissue: it is for quality
control to report, since whoever marked it had a reason.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.fragments import labelled, totals
from pathoai.tissue.strips import in_strips

_SMOOTHING_UM = 4.0
_RED_PER_GREEN = 1.28
# Tissue under ink has at most this much of the ratio of the ink alone.
_RATIO_OVER_TISSUE = 0.85
_PUREST = 0.95
# Red ink has the hue of eosin and blood. Only what is denser than either counts, and lets
# through almost all red.
_RED_INK_RED_PER_GREEN = 0.16
_RED_INK_BLUE_PER_GREEN = 0.75
_RED_INK_DENSE_OD = 0.8
_DILUTE_OD = 0.05
_DENSE_OD = 0.3
_SMALLEST_STROKE_UM2 = 2_000.0
# Carbon, coal and the slide's rim absorb all colours alike; the darkest stain does not.
_BLACK_OD = 0.6
_BLACK_LEAST_PER_MOST = 0.78
_DILUTE, _DENSE = np.float32(1), np.float32(2)


def ink_on_glass(pixels: NDArray[np.uint8], mpp: float) -> NDArray[np.bool_]:
    """Blue, green and red pen ink that has no tissue under it, ``(H, W)`` bool.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        mpp: Their scale, µm per pixel.
    """
    least_ratio = max(_RED_PER_GREEN, _RATIO_OVER_TISSUE * _purest_ratio(pixels, mpp))

    def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        red, green, blue = _densities(strip, mpp)
        cool = (red > least_ratio * green) & (red > _DILUTE_OD)
        warm = (
            (red < _RED_INK_RED_PER_GREEN * green)
            & (blue > _RED_INK_BLUE_PER_GREEN * green)
            & (green > _DENSE_OD)
        )
        dense = (cool & (red > _DENSE_OD)) | (warm & (green > _RED_INK_DENSE_OD))
        return np.where(dense, _DENSE, np.where(cool | warm, _DILUTE, np.float32(0)))

    strength = in_strips(of_strip, pixels, margin_px=_margin(mpp))
    labels, count = labelled(strength > 0)
    dense_px = totals(labels, count, (strength >= _DENSE).astype(np.float32))
    stroke = dense_px * mpp**2 >= _SMALLEST_STROKE_UM2
    stroke[0] = False
    return np.asarray(stroke[labels])


def _purest_ratio(pixels: NDArray[np.uint8], mpp: float) -> float:
    """Red per green of the slide's blue or green ink where it is alone; 0 without such ink."""

    def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        red, green, _ = _densities(strip, mpp)
        cool = (red > _RED_PER_GREEN * green) & (red > _DENSE_OD)
        return np.where(cool, red / np.maximum(green, np.float32(0.01)), np.float32(0))

    ratios = in_strips(of_strip, pixels, margin_px=_margin(mpp))
    ratios = ratios[ratios > 0]
    return float(np.quantile(ratios, _PUREST)) if ratios.size else 0.0


def black(pixels: NDArray[np.uint8], mpp: float) -> NDArray[np.bool_]:
    """The black around the glass, black ink and grains of carbon, ``(H, W)`` bool.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        mpp: Their scale, µm per pixel.
    """

    def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        densities = _densities(strip, mpp)
        least, most = densities.min(axis=0), densities.max(axis=0)
        dark = (least > _BLACK_OD) & (least > _BLACK_LEAST_PER_MOST * most)
        return np.asarray(dark, dtype=np.float32)

    return np.asarray(in_strips(of_strip, pixels, margin_px=_margin(mpp)) > 0)


def _margin(mpp: float) -> int:
    return int(4 * _SMOOTHING_UM / mpp) + 1


def _densities(strip: NDArray[np.uint8], mpp: float) -> NDArray[np.float32]:
    """Optical density (base 10) of red, green and blue, ``(3, h, W)`` float32."""
    smooth = [
        ndimage.gaussian_filter(strip[..., channel].astype(np.float32), _SMOOTHING_UM / mpp)
        for channel in range(3)
    ]
    return -np.log10((np.stack(smooth) + 1) / 256)
