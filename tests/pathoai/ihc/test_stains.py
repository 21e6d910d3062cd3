"""Stains of restained slides: found near the prior, and taken apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.ihc.chromogens import prior_vectors
from pathoai.ihc.stains import IhcStains, stains_of_sample

CHROMOGENS = ("dab", "permanent_red")


def _turned(vectors: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Each vector turned towards grey."""
    grey = np.ones(3) / np.sqrt(3)
    across = grey - (vectors @ grey)[:, None] * vectors
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.radians(degrees)
    return np.asarray(vectors * np.cos(angle) + across * np.sin(angle))


def _pixels(vectors: NDArray[np.float64], seed: int = 0) -> NDArray[np.uint8]:
    """Tissue of mixtures: pale counterstain everywhere, nuclei, and each chromogen over some."""
    rng = np.random.default_rng(seed)
    amounts = np.zeros((20_000, len(vectors)))
    amounts[:, 0] = rng.uniform(0.05, 0.3, len(amounts))
    amounts[:6_000, 0] += rng.uniform(0.3, 1.2, 6_000)
    for stain in range(1, len(vectors)):
        there = slice(4_000 * stain, 4_000 * stain + 4_000)
        amounts[there, stain] = rng.uniform(0.4, 1.8, 4_000)
    light = np.exp(-amounts @ vectors) * 255 + rng.normal(0, 1, (len(amounts), 3))
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def _degrees(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.degrees(np.arccos(np.clip((found * true).sum(axis=1), -1, 1))))


@pytest.mark.parametrize("chromogens", [("dab",), ("aec",), CHROMOGENS])
def test_usual_stains_are_found_as_they_are(chromogens: tuple[str, ...]) -> None:
    true = prior_vectors(chromogens)
    found = stains_of_sample(_pixels(true), chromogens)
    assert found.names == ("hematoxylin", *chromogens)
    assert _degrees(found.vectors, true).max() < 2.0


@pytest.mark.parametrize("chromogens", [("dab",), ("aec",)])
def test_a_slides_own_vectors_are_found(chromogens: tuple[str, ...]) -> None:
    true = _turned(prior_vectors(chromogens), -6.0)
    found = stains_of_sample(_pixels(true), chromogens)
    before = _degrees(prior_vectors(chromogens), true)
    assert (_degrees(found.vectors, true) < 0.7 * before).all()


def test_brown_over_blue_nuclei_alone_is_no_bluish_brown() -> None:
    true = prior_vectors(("dab",))
    rng = np.random.default_rng(0)
    amounts = np.zeros((20_000, 2))
    amounts[:, 0] = rng.uniform(0.05, 0.3, len(amounts))
    amounts[:4_000, 0] += rng.uniform(0.6, 1.2, 4_000)
    amounts[:2_000, 1] = rng.uniform(0.8, 1.8, 2_000)
    light = np.exp(-amounts @ true) * 255 + rng.normal(0, 1, (len(amounts), 3))
    pixels = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    found = stains_of_sample(pixels, ("dab",))
    assert _degrees(found.vectors, true)[1] < 2.0


def test_without_brown_the_prior_stays() -> None:
    blue = prior_vectors(("dab",))[:1]
    found = stains_of_sample(_pixels(blue), ("dab",))
    assert found.pure_pixels[1] == 0
    np.testing.assert_allclose(found.vectors[1], prior_vectors(("dab",))[1])


@pytest.mark.parametrize("chromogens", [("dab",), CHROMOGENS])
def test_amounts_come_back(chromogens: tuple[str, ...]) -> None:
    vectors = prior_vectors(chromogens)
    stains = IhcStains(("hematoxylin", *chromogens), vectors, (0,) * len(vectors))
    amounts = np.random.default_rng(1).uniform(0, 0.9, (50, len(vectors)))
    # Light at full precision, as `optical_density` counts it: 256 values, one of them black.
    light = (np.exp(-amounts @ vectors) * 256 - 1) / 255
    batch = torch.from_numpy(light.T.astype(np.float32))[None, :, None]
    found = stains.chromogen_amounts(batch)[0, :, 0].numpy()
    np.testing.assert_allclose(found, amounts[:, 1:].T, atol=1e-4)
