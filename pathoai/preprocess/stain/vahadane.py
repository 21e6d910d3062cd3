"""Stain vectors of a slide by sparse non-negative matrix factorisation.

Vahadane A et al. Structure-preserving color normalization and sparse stain separation for
histological images. IEEE Trans Med Imaging 2016. A pixel is mostly of one stain, so amounts are
sparse: the vectors W and amounts H ≥ 0 minimise ½‖V - H W‖² + λ Σ H, for vectors W ≥ 0 no longer
than 1. Solved in turns (Mairal J et al. Online learning for matrix factorization and sparse coding.
JMLR 2010): with two stains the amounts have a closed form, so each turn is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.preprocess.stain.macenko import macenko_vectors
from pathoai.preprocess.stain.stain_matrix import hematoxylin_first, unit_vectors

SPARSITY = 0.1
_MOST_TURNS = 500
_STILL = 1e-5


def vahadane_vectors(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two stain vectors of a slide, hematoxylin first.

    It starts from the vectors of Macenko et al., so that no seed is needed.

    Args:
        density: ``(M, 3)`` optical density of stained pixels, natural logarithm.

    Returns:
        ``(2, 3)`` float64 unit vectors without negative parts.
    """
    vectors = unit_vectors(np.maximum(macenko_vectors(density), 0.0))
    for _ in range(_MOST_TURNS):
        updated = best_vectors(density, sparse_amounts(density, vectors), vectors)
        change = float(np.abs(updated - vectors).max())
        vectors = updated
        if change < _STILL:
            break
    return hematoxylin_first(unit_vectors(vectors))


def sparse_amounts(
    density: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The amounts ``(M, 2)`` that minimise the objective for given vectors.

    Args:
        density: ``(M, 3)``.
        vectors: ``(2, 3)`` without negative parts.
    """
    pull = density @ vectors.T - SPARSITY
    gram = vectors @ vectors.T
    both = pull @ np.linalg.pinv(gram, hermitian=True)  # parallel vectors are refused later
    alone = np.maximum(pull / np.diag(gram), 0.0)
    # Where one amount would be negative it is 0, and the other is what it is alone; vectors
    # without negative parts have gram ≥ 0, so this is the minimum and needs no further turn.
    first, second = both[:, 0] < 0, both[:, 1] < 0
    amounts = both.copy()
    amounts[first] = np.stack([np.zeros(first.sum()), alone[first, 1]], axis=1)
    amounts[second] = np.stack([alone[second, 0], np.zeros(second.sum())], axis=1)
    return amounts


def best_vectors(
    density: NDArray[np.float64], amounts: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The vectors, one after the other, that minimise the objective for given amounts.

    Args:
        density: ``(M, 3)``.
        amounts: ``(M, 2)``.
        vectors: ``(2, 3)``, the present ones.

    Returns:
        ``(2, 3)`` without negative parts, no longer than 1.
    """
    found = vectors.copy()
    gram, pull = amounts.T @ amounts, amounts.T @ density
    for stain in range(2):
        if gram[stain, stain] > 0:
            free = found[stain] + (pull[stain] - gram[stain] @ found) / gram[stain, stain]
            positive = np.maximum(free, 0.0)
            found[stain] = positive / max(1.0, float(np.linalg.norm(positive)))
    return found
