"""Macenko and Vahadane against pixels whose stains are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.preprocess.stain.macenko import macenko_vectors
from pathoai.preprocess.stain.stain_matrix import (
    HEMATOXYLIN_DAB,
    HEMATOXYLIN_EOSIN,
    unit_vectors,
)
from pathoai.preprocess.stain.vahadane import (
    SPARSITY,
    best_vectors,
    sparse_amounts,
    vahadane_vectors,
)


def stained(
    vectors: NDArray[np.float64], *, seed: int = 0, count: int = 6_000
) -> NDArray[np.float64]:
    """Densities of pixels mostly of one stain, some of both, with the noise of a camera."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(4.0, 0.3, (count, 2))
    share = rng.beta(0.25, 0.25, count)
    amounts *= np.stack([share, 1 - share], axis=1)
    return amounts @ vectors + rng.normal(0, 0.01, (count, 3))


def degrees_apart(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.degrees(np.arccos(np.clip((found * true).sum(axis=1), -1, 1))))


def objective(density: NDArray[np.float64], vectors: NDArray[np.float64]) -> float:
    amounts = sparse_amounts(density, vectors)
    rest = density - amounts @ vectors
    return float(0.5 * (rest**2).sum() + SPARSITY * amounts.sum())


@pytest.mark.parametrize("pair", [HEMATOXYLIN_EOSIN, HEMATOXYLIN_DAB])
def test_macenko_finds_the_stains_in_order(pair: tuple[tuple[float, float, float], ...]) -> None:
    true = unit_vectors(np.array(pair))
    found = macenko_vectors(stained(true))
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert degrees_apart(found, true).max() < 2


@pytest.mark.parametrize("pair", [HEMATOXYLIN_EOSIN, HEMATOXYLIN_DAB])
def test_vahadane_finds_the_stains_in_order(pair: tuple[tuple[float, float, float], ...]) -> None:
    true = unit_vectors(np.array(pair))
    found = vahadane_vectors(stained(true))
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert (found >= 0).all()
    assert degrees_apart(found, true).max() < 4


@pytest.mark.parametrize("estimate", [macenko_vectors, vahadane_vectors])
def test_the_order_of_pixels_does_not_matter(estimate: type[np.ndarray]) -> None:
    density = stained(unit_vectors(HEMATOXYLIN_EOSIN))
    assert np.allclose(estimate(density), estimate(density[::-1]), atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_sparse_amounts_are_the_least_of_the_objective(seed: int) -> None:
    """The conditions of Karush, Kuhn and Tucker, which for this objective are sufficient."""
    rng = np.random.default_rng(seed)
    vectors = rng.uniform(0.02, 1, (2, 3)) * rng.uniform(0.5, 1, (2, 1))
    density = rng.normal(0.3, 0.5, (50, 3))
    amounts = sparse_amounts(density, vectors)
    gradient = (amounts @ vectors - density) @ vectors.T + SPARSITY
    assert (amounts >= 0).all()
    scale = 1 + np.abs(amounts).max()
    assert (gradient > -1e-8 * scale).all()
    assert np.abs(gradient * amounts).max() < 1e-7 * scale**2


@given(st.integers(0, 2**32 - 1))
def test_each_turn_of_vahadane_lowers_the_objective(seed: int) -> None:
    rng = np.random.default_rng(seed)
    density = stained(unit_vectors(HEMATOXYLIN_EOSIN), seed=seed, count=300)
    vectors = unit_vectors(rng.uniform(0.05, 1, (2, 3)))
    before = objective(density, vectors)
    for _ in range(3):
        vectors = best_vectors(density, sparse_amounts(density, vectors), vectors)
        assert (vectors >= 0).all()
        assert (np.linalg.norm(vectors, axis=1) <= 1 + 1e-12).all()
        after = objective(density, vectors)
        assert after <= before * (1 + 1e-12)
        before = after


def test_no_small_turn_of_the_vectors_found_by_vahadane_is_better() -> None:
    density = stained(unit_vectors(HEMATOXYLIN_EOSIN))
    found = vahadane_vectors(density)
    best = objective(density, found)
    rng = np.random.default_rng(5)
    for _ in range(100):
        turned = unit_vectors(np.maximum(found + rng.normal(0, 0.02, (2, 3)), 0))
        assert objective(density, turned) > best
