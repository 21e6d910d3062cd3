"""Places where the restained slide shows bare glass though the H&E slide shows tissue.

Tears and flaps are finer than a tissue mask, and what is missing must not be learnt as negative.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Size
from pathoai.preprocess.stain.optical_density import optical_density
from pathoai.store.slide_store import SlideStore

_SMOOTHING_UM = 2.0
# Above glass, mean of red, green and blue, natural logarithm: the palest counterstained stroma has
# twice the first, eosin in loose stroma twice the second.
_BARE_OD = 0.04
_STAINED_OD = 0.15
_MOST_PX = 2_000_000
_WHITE = 255
_LEAST_PIXELS = 100


def glass_density(store: SlideStore) -> float:
    """Density of the slide's clear glass, mean of the channels; 0 where the store kept none of it.

    Args:
        store: What lies off tissue in it is absent, but for the rims of chunks with tissue.
    """
    areas = [store.grid(level).size_px for level in range(len(store.factors))]
    level = next((i for i, a in enumerate(areas) if a.width * a.height <= _MOST_PX), len(areas) - 1)
    size = areas[level]
    pixels = store.read(level, 0, 0, Size(size.width, size.height))
    tissue = store.tissue.on_grid(store.grid(level), slice(0, size.height), slice(0, size.width))
    glass = pixels[~tissue & (pixels < _WHITE).any(axis=2)]
    if len(glass) < _LEAST_PIXELS:
        return 0.0
    return float(np.median(_density(torch.from_numpy(glass.T[:, None].copy()))))


def bare_on_other(
    he: torch.Tensor, ihc: torch.Tensor, glass: tuple[float, float], mpp: float
) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` that are stained in H&E, and bare glass where the other slide has them.

    Args:
        he: ``(3, H, W)`` uint8, or floating point from 0 to 1.
        ihc: The restained slide on the same raster, likewise.
        glass: Density of both slides' glass, as `glass_density` gives it.
        mpp: Scale, µm per pixel.
    """
    here, there = (
        ndimage.gaussian_filter(_density(picture) - clear, _SMOOTHING_UM / mpp)
        for picture, clear in zip((he, ihc), glass, strict=True)
    )
    return np.asarray((here > _STAINED_OD) & (there < _BARE_OD))


def _density(picture: torch.Tensor) -> NDArray[np.float32]:
    """Mean density of the channels of ``(3, H, W)``."""
    return np.asarray(optical_density(picture[None])[0].mean(dim=0).cpu().numpy())
