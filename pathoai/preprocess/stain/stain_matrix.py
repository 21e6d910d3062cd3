"""Stain vectors: the optical density that one unit of a stain has in red, green and blue.

Ruifrok AC, Johnston DA. Quantification of histochemical staining by color deconvolution.
Anal Quant Cytol Histol 2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# From the publication's table; not yet of unit length.
HEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)
DAB = (0.268, 0.570, 0.776)

HEMATOXYLIN_EOSIN = (HEMATOXYLIN, EOSIN)
HEMATOXYLIN_DAB = (HEMATOXYLIN, DAB)

_Vectors = tuple[tuple[float, float, float], tuple[float, float, float]]


def unit_vectors(vectors: NDArray[np.floating] | _Vectors) -> NDArray[np.float64]:
    """Vectors scaled to length 1, a row each."""
    rows = np.asarray(vectors, np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def hematoxylin_first(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two stain vectors, hematoxylin first: of the two it is the one that takes more red.

    The rule holds for eosin and for DAB as the other stain, and is that of Macenko et al. 2009.
    """
    return vectors[np.argsort(-vectors[:, 0], kind="stable")]


def stain_matrix(
    vectors: NDArray[np.float64] | _Vectors = HEMATOXYLIN_EOSIN,
) -> NDArray[np.float64]:
    """The unit vectors of two stains and of what is left: the normal of their plane.

    Args:
        vectors: ``(2, 3)``, of any length.

    Returns:
        ``(3, 3)`` float64, a row each; density = amounts @ matrix.
    """
    first, second = unit_vectors(vectors)
    rest = np.cross(first, second)
    return np.stack([first, second, rest / np.linalg.norm(rest)])
