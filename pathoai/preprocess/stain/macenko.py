"""Stain vectors of a slide by the extreme directions of its pixels.

Macenko M et al. A method for normalizing histology slides for quantitative analysis. ISBI 2009.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.preprocess.stain.stain_matrix import hematoxylin_first

# The publication's values: densities are decadic there, hence the factor.
FAINTEST_DENSITY = 0.15 * float(np.log(10))
_EXTREME_PERCENT = 1.0


def macenko_vectors(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two stain vectors of a slide, hematoxylin first.

    Pixels lie in the plane of both stains, between the two; so the vectors are the robust extremes
    of their directions in the plane that fits them best through the origin.

    Args:
        density: ``(M, 3)`` optical density of stained pixels, natural logarithm.

    Returns:
        ``(2, 3)`` float64 unit vectors.
    """
    # Right singular vectors of the densities, which are too many to decompose themselves.
    plane = np.linalg.eigh(density.T @ density)[1][:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    along, across = (density @ plane).T
    angle = np.arctan2(across, along)
    extremes = np.percentile(angle, [_EXTREME_PERCENT, 100 - _EXTREME_PERCENT])
    directions = np.stack([np.cos(extremes), np.sin(extremes)], axis=1)
    return hematoxylin_first(directions @ plane.T)
