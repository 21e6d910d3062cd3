"""Otsu's threshold, kept from splitting noise and from splitting tissue.

Otsu N. A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern 1979.
The method always splits: also glass alone, into noise and more noise, and tissue alone, into pale
and dark. Two bounds hold it: the noise of the glass itself, as far as the histogram shows it, and
a value above which nothing is glass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.planes import empty_plane

_BINS = 512
_STRIP_ROWS = 16
# Five deviations above the peak of the glass leave less than one pixel in a million of its noise.
_NOISE_DEVIATIONS = 5.0
_HALF_WIDTH_PER_DEVIATION = 1.1774
"""Half width at half maximum per standard deviation, for normal noise."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what the threshold may lie, in units of the signal.

    Args:
        lowest: Below it there is nothing but glass, however quiet.
        highest: Above it there is nothing but tissue, however much of it.
    """

    lowest: float
    highest: float


def above_threshold(
    signal: NDArray[np.floating[Any]], bounds: Bounds, foreign: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where the signal is that of tissue, ``(H, W)`` bool; see ``tissue_threshold``."""
    mask = empty_plane(signal.shape, np.bool_)
    np.greater(signal, tissue_threshold(signal, bounds, foreign), out=mask)
    mask[foreign] = False
    return mask


def tissue_threshold(
    signal: NDArray[np.floating[Any]], bounds: Bounds, foreign: NDArray[np.bool_] | None = None
) -> float:
    """The threshold between glass and tissue.

    Args:
        signal: ``(H, W)`` floating point, near 0 on glass and more on tissue.
        bounds: What the threshold is held between.
        foreign: ``(H, W)`` bool: ink and the like, neither glass nor tissue.

    Returns:
        A value in the units of the signal; tissue lies above it.
    """
    edges = np.linspace(0, 2 * bounds.highest, _BINS + 1)
    counts = _histogram(signal, 2 * bounds.highest, foreign)
    if not counts.any():
        return bounds.highest
    centres = (edges[1:] + edges[:-1]) / 2
    floor = max(bounds.lowest, _noise_ceiling(counts, centres, bounds.highest))
    return float(np.clip(otsu(counts, centres), min(floor, bounds.highest), bounds.highest))


def _histogram(
    signal: NDArray[np.floating[Any]], top: float, foreign: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """How many values fall into each of the bins between 0 and a top, ``(B,)``.

    All beyond counts as just below: dark nuclei must not pull the split into the tissue.
    """
    counts = np.zeros(_BINS, np.int64)
    # In strips: NumPy would make 64-bit copies of the whole plane.
    for first in range(0, len(signal), _STRIP_ROWS):
        strip = signal[first : first + _STRIP_ROWS].astype(np.float32)
        if foreign is not None:
            strip = strip[~foreign[first : first + _STRIP_ROWS]]
        bins = np.minimum(strip * np.float32(_BINS / top), np.float32(_BINS - 1)).astype(np.intp)
        counts += np.bincount(bins.ravel(), minlength=_BINS)
    return counts


def otsu(counts: NDArray[np.integer], centres: NDArray[np.float64]) -> float:
    """The value that splits a histogram into two classes of least variance.

    Args:
        counts: ``(B,)`` values in each bin, not all of them 0.
        centres: ``(B,)`` middle of each bin, ascending.
    """
    below = np.cumsum(counts, dtype=np.float64)
    moment = np.cumsum(counts * centres)
    above = below[-1] - below
    # An empty class separates nothing.
    possible = np.maximum(below * above, 1.0)
    between = (moment[-1] * below / below[-1] - moment) ** 2 / possible
    return float(centres[int(np.where((below > 0) & (above > 0), between, -1.0).argmax())])


def _noise_ceiling(
    counts: NDArray[np.integer], centres: NDArray[np.float64], highest: float
) -> float:
    """What the noise of the glass does not exceed, from the width of the glass' peak."""
    smooth = ndimage.uniform_filter1d(counts[centres < highest].astype(np.float64), 3)
    peak = int(smooth.argmax())
    fallen = np.flatnonzero(smooth[peak:] < smooth[peak] / 2)
    # A peak that does not fall again below the highest bound is tissue, not glass.
    bins = int(fallen[0]) if fallen.size else len(smooth)
    deviation = bins * (centres[1] - centres[0]) / _HALF_WIDTH_PER_DEVIATION
    return float(centres[peak] + _NOISE_DEVIATIONS * deviation)
