"""Tissue by its texture: glass is even and tissue is not, however pale its stain.

Shannon CE. A mathematical theory of communication. Bell Syst Tech J 1948. The entropy is that of
grey levels within a window, counted from the window's own mean: shadows, lamps and vignettes have
none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.fragments import closed, labelled, totals
from pathoai.tissue.otsu import Bounds, tissue_threshold
from pathoai.tissue.saturation import saturation
from pathoai.tissue.strips import in_strips

_LEVELS_EACH_SIDE = 6
# Within three deviations on each side lie 99.7 % of normal noise: 0.03 bits.
_STEP_PER_NOISE = 6.0
# Louder than this is no camera: the picture is tissue all over.
_LOUDEST_NOISE = 3.0
_QUIETEST = 0.05
_FILLED_IN = 0.01
_SAMPLED = 3
# Of the colour of the slide's typical fragment: dust has a tenth, the palest tissue a half.
_LEAST_COLOUR = 0.2


@dataclass(frozen=True, slots=True)
class LocalEntropy:
    """Otsu's threshold on local entropy.

    Args:
        bounds: Of the threshold, bits; a window split in half by one edge has about 1 bit.
        window_um: Half the side of the window.
        step: Grey levels per level of the histogram, at least; on a noisy picture, as many as
            keep the noise of the glass within one.
        smoothing_um: Deviation of the blur before, against camera noise.
    """

    bounds: Bounds
    window_um: float
    step: float
    smoothing_um: float = 2.0

    def find(
        self, pixels: NDArray[np.uint8], mpp: float, foreign: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Where there is texture, ``(H, W)`` bool.

        Args:
            pixels: ``(H, W, 3)`` uint8.
            mpp: Their scale, µm per pixel.
            foreign: ``(H, W)`` bool: ink and the like, neither glass nor tissue.
        """
        reach = max(1, round(self.window_um / mpp))
        sigma = self.smoothing_um / mpp
        margin = 4 * reach + int(4 * sigma) + 1
        step = max(self.step, _STEP_PER_NOISE * _noise(pixels, sigma, reach))

        def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
            grey = ndimage.gaussian_filter(strip.min(axis=2).astype(np.float32), sigma)
            entropy = local_entropy(grey, reach, step)
            # A window sees tissue from afar: what is as bright as the glass beside it is glass.
            dark = grey < ndimage.maximum_filter(grey, 2 * reach + 1) - step
            return np.where(closed(dark, reach), entropy, np.float32(0))

        signal = in_strips(of_strip, pixels, margin)
        mask = (signal > tissue_threshold(signal, self.bounds, foreign)) & ~foreign
        del signal  # a plane of the whole picture: the next one takes its place
        return without_dust(mask, pixels, sigma)


def _noise(pixels: NDArray[np.uint8], sigma_px: float, reach_px: int) -> float:
    """Deviation of the noise where the picture is quietest, grey levels."""

    def of_strip(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = ndimage.gaussian_filter(strip.min(axis=2).astype(np.float32), sigma_px)
        side = 2 * reach_px + 1
        deviation = grey - ndimage.uniform_filter(grey, side)
        return np.asarray(ndimage.uniform_filter(deviation**2, side), dtype=np.float32)

    variance = in_strips(of_strip, pixels, 3 * reach_px + int(4 * sigma_px) + 1)
    # What a file fills in where nothing was scanned has no noise at all, and says nothing.
    sample = variance[::_SAMPLED, ::_SAMPLED]
    real = sample[sample > _FILLED_IN]
    if not real.size:
        return 0.0
    return min(float(np.sqrt(np.quantile(real, _QUIETEST))), _LOUDEST_NOISE)


def local_entropy(grey: NDArray[np.float32], reach_px: int, step: float) -> NDArray[np.float32]:
    """Entropy of the deviations from the mean, within a square window.

    Args:
        grey: ``(H, W)`` float32.
        reach_px: Half the side of the window.
        step: Grey levels per level of the histogram.

    Returns:
        ``(H, W)`` float32, bits, 0 to log2(13).
    """
    side = 2 * reach_px + 1
    deviation = grey - ndimage.uniform_filter(grey, side)
    limit = _LEVELS_EACH_SIDE
    level = np.clip(np.round(deviation / step), -limit, limit).astype(np.int8)
    entropy = np.zeros_like(grey)
    for value in range(-limit, limit + 1):
        share = ndimage.uniform_filter((level == value).astype(np.float32), side)
        # Running sums leave traces of 1e-7 where there is nothing.
        share = np.clip(share, 0, 1)
        entropy -= share * np.log2(np.maximum(share, np.float32(1e-6)))
    return np.maximum(entropy, 0)


def without_dust(
    mask: NDArray[np.bool_], pixels: NDArray[np.uint8], sigma_px: float
) -> NDArray[np.bool_]:
    """Leave out fragments that have no colour beside the others: dust, air, scratches.

    Fragments of one slide share one stain, so they are compared with each other and never with a
    number: on a slide that is pale all over, nothing is lost.
    """
    labels, count = labelled(mask)
    if count < 2:
        return mask
    area = totals(labels, count)[1:]
    colour = totals(labels, count, saturation(pixels, sigma_px))[1:] / area
    order = np.argsort(colour)
    middle = int(np.searchsorted(np.cumsum(area[order]), area.sum() / 2))
    keep = np.concatenate([[False], colour >= _LEAST_COLOUR * colour[order[middle]]])
    return np.asarray(keep[labels])
