"""A slide's stain in ten numbers, to compare slides by; it exists for every stain and mixture.

Optical density in red, green and blue: mean and standard deviation (6); amounts of hematoxylin and
eosin under the fixed vectors of Ruifrok and Johnston 2001: median and 99th percentile (4).
Estimated stain vectors are left out, since they fail on just those slides that are unusual.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import NoTissueError
from pathoai.preprocess.stain.macenko import FAINTEST_DENSITY
from pathoai.preprocess.stain.optical_density import pixel_density
from pathoai.preprocess.stain.stain_matrix import HEMATOXYLIN_EOSIN, unit_vectors
from pathoai.preprocess.stain.tissue_sample import sample_store
from pathoai.store.slide_store import SlideStore

STAIN_NOISE = 0.02
"""Optical density: 2 % of light, which lamps and exposure change from day to day."""

_PERCENTS = (50.0, 99.0)
_LEAST_PIXELS = 200


def stain_vector(pixels: NDArray[np.uint8], *, where: str = "slide") -> NDArray[np.float64]:
    """The stain of a sample of tissue, ``(10,)`` float64, optical density, natural logarithm.

    Args:
        pixels: ``(M, 3)`` uint8 RGB; those without stain are left out.
        where: The coded slide id, for errors.

    Raises:
        NoTissueError: Fewer than 200 pixels are stained.
    """
    density = pixel_density(pixels)
    stained = density[np.linalg.norm(density, axis=1) >= FAINTEST_DENSITY]
    if len(stained) < _LEAST_PIXELS:
        raise NoTissueError(
            "too little stained tissue to compare its stain",
            where=where,
            found=f"{len(stained)} stained pixels of {len(pixels)} sampled",
            allowed=f"{_LEAST_PIXELS} or more",
        )
    amounts = stained @ np.linalg.pinv(unit_vectors(HEMATOXYLIN_EOSIN))
    levels = np.percentile(amounts, _PERCENTS, axis=0).ravel()
    return np.concatenate([stained.mean(axis=0), stained.std(axis=0), levels])


def stain_vector_of_store(store: SlideStore) -> NDArray[np.float64]:
    """The stain of a slide, from a fixed sample of its tissue; as `stain_vector`."""
    return stain_vector(sample_store(store), where=store.slide_id)
