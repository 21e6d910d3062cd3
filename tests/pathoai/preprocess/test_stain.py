"""Stain separation against its definition and against scikit-image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import color

from pathoai.preprocess.stain import EOSIN, HEMATOXYLIN, deconvolve, optical_density, stain_matrix


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, 3, 16, 20), dtype=np.uint8)


def _vectors() -> NDArray[np.float64]:
    h, e = np.array(HEMATOXYLIN), np.array(EOSIN)
    h, e = h / np.linalg.norm(h), e / np.linalg.norm(e)
    rest = np.cross(h, e)
    return np.array([h, e, rest / np.linalg.norm(rest)])


def test_amounts_are_those_of_beer_and_lambert() -> None:
    pixels = _noise()
    density = -np.log((pixels.astype(np.float64) + 1) / 256)
    expected = np.einsum("nchw,cs->nshw", density, np.linalg.inv(_vectors()))
    found = deconvolve(torch.from_numpy(pixels)).numpy()
    assert np.allclose(found, expected, atol=2e-5)


def test_pure_stains_are_found_alone() -> None:
    for stain in range(3):
        amount = 1.2
        vector = stain_matrix()[stain].numpy()
        light = np.exp(-amount * vector) * 256 - 1
        # The third vector has negative parts, which no 8-bit pixel can show.
        if stain == 2:
            continue
        pixels = np.rint(light).astype(np.uint8).reshape(1, 3, 1, 1)
        found = deconvolve(torch.from_numpy(pixels)).numpy().ravel()
        others = np.delete(found, stain)
        assert abs(found[stain] - amount) < 0.03
        assert np.abs(others).max() < 0.03


def test_white_holds_no_stain() -> None:
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert torch.equal(optical_density(white), torch.zeros(1, 3, 4, 4))
    assert torch.equal(deconvolve(white).abs(), torch.zeros(1, 3, 4, 4))


def test_scikit_image_agrees_where_its_vectors_are_ours() -> None:
    """It divides by the logarithm of its smallest value, clips, and does not norm its vectors."""
    pixels = np.maximum(_noise(), 1)
    batch = torch.from_numpy(pixels)
    inverse = np.linalg.inv(_vectors())
    smallest = 1e-6
    for index in range(len(pixels)):
        image = (pixels[index].transpose(1, 2, 0).astype(np.float64) + 1) / 256
        theirs = color.separate_stains(image, inverse) * -np.log(smallest)
        ours = deconvolve(batch)[index].numpy().transpose(1, 2, 0)
        positive = ours > 1e-3
        assert positive.any()
        assert np.allclose(theirs[positive], ours[positive], atol=1e-3)
