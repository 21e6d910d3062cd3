"""Outlining by random walks from the clicks (Grady, IEEE TPAMI 28, 2006), with seeds of our own.

A pixel belongs to the object if a walk from it, which avoids steps between unlike pixels, comes to
a click sooner than to the background. Few clicks are given, so what is surely background is found
first: pixels whose stain differs clearly from that at the clicks, and the cores of neighbours that
look the same but are separated by a waist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters, morphology, segmentation

from pathoai_annotations.drawing.click_outline import PixelPoints

_SMOOTH_PX = 1.0
_CLICK_PX = 2
"""Radius of the disc about a click that is taken to be what the click is."""
_BETA = 1000.0
"""How much walks avoid steps between unlike pixels: scikit-image's own 130 leaks out of nuclei."""
_WAIST_SHARE = 0.25
"""Two cores are two objects where what joins them is by this share narrower than the smaller."""
_OBJECT, _BACKGROUND = 1, 2
_SURELY_NOT = 0.1
"""Probability below which a model is taken at its word."""


def random_walker(
    pixels: NDArray[np.uint8],
    probability: NDArray[np.float32] | None,
    foreground: PixelPoints,
    background: PixelPoints,
) -> NDArray[np.bool_]:
    """See `pathoai_annotations.drawing.click_outline.OutlineMethod`."""
    shape = pixels.shape[:2]
    clicked, beside = _discs(foreground, shape), _discs(background, shape)
    unlike = _difference_from(pixels, clicked)
    threshold = filters.threshold_otsu(unlike) if np.ptp(unlike) > 0 else np.inf
    is_like = (unlike <= threshold) | clicked
    features = [unlike / max(float(np.std(unlike)), 1e-6)]
    if probability is not None and np.ptp(probability) > 0:
        smooth = ndimage.gaussian_filter(probability, _SMOOTH_PX)
        is_like &= (smooth >= _SURELY_NOT) | clicked
        features.append(smooth / max(float(np.std(smooth)), 1e-6))
    own = _own_basin(is_like & ~beside, clicked)
    seeds = np.zeros(shape, np.uint8)
    seeds[~is_like & (ndimage.distance_transform_edt(~is_like) > 1)] = _BACKGROUND
    seeds[_cores(is_like & ~own)] = _BACKGROUND
    seeds[beside] = _BACKGROUND
    seeds[clicked & ~beside] = _OBJECT
    if not (seeds == _BACKGROUND).any():
        return own
    found = segmentation.random_walker(
        np.stack(features, axis=-1),
        seeds,
        beta=_BETA,
        mode="cg_j",
        # With so large a beta the solver's probabilities overshoot a little; the larger one counts.
        prob_tol=np.inf,
        channel_axis=-1,
    )
    walked: NDArray[np.bool_] = found == _OBJECT
    return walked


def _discs(points: PixelPoints, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    out = np.zeros(shape, np.bool_)
    for x, y in points:
        out |= np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= _CLICK_PX
    return out


def _difference_from(pixels: NDArray[np.uint8], clicked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each pixel's stain is from that under the clicks, in optical density."""
    density = -np.log((pixels.astype(np.float64) + 1) / 256)
    smooth = ndimage.gaussian_filter(density, (_SMOOTH_PX, _SMOOTH_PX, 0))
    own = np.median(smooth[clicked], axis=0)
    difference: NDArray[np.float64] = np.linalg.norm(smooth - own, axis=2)
    return difference


def _own_basin(is_like: NDArray[np.bool_], clicked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of like pixels is the clicked object: neighbours behind a waist are others."""
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(is_like), _SMOOTH_PX)
    deepest = float(depth[clicked].max())
    cores, _ = ndimage.label(morphology.h_maxima(depth, max(_WAIST_SHARE * deepest, 0.5)))
    basins = segmentation.watershed(-depth, cores, mask=is_like)
    own: NDArray[np.bool_] = np.isin(basins, np.setdiff1d(basins[clicked], [0]))
    return own


def _cores(others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The inner parts of neighbours."""
    inner: NDArray[np.bool_] = ndimage.distance_transform_edt(others) > _CLICK_PX
    return inner
