"""Stain separation against its definition and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import color

from pathoai.preprocess.stain.deconvolution import deconvolve, recompose
from pathoai.preprocess.stain.stain_matrix import (
    DAB,
    EOSIN,
    HEMATOXYLIN,
    HEMATOXYLIN_DAB,
    stain_matrix,
)


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, 3, 16, 20), dtype=np.uint8)


def _vectors(second: tuple[float, float, float] = EOSIN) -> NDArray[np.float64]:
    h, e = np.array(HEMATOXYLIN), np.array(second)
    h, e = h / np.linalg.norm(h), e / np.linalg.norm(e)
    rest = np.cross(h, e)
    return np.array([h, e, rest / np.linalg.norm(rest)])


def test_amounts_are_those_of_beer_and_lambert() -> None:
    pixels = _noise()
    density = -np.log((pixels.astype(np.float64) + 1) / 256)
    expected = np.einsum("nchw,cs->nshw", density, np.linalg.inv(_vectors()))
    found = deconvolve(torch.from_numpy(pixels)).numpy()
    assert np.allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("stain", [0, 1])
@pytest.mark.parametrize("second", [EOSIN, DAB])
def test_pure_stains_are_found_alone(stain: int, second: tuple[float, float, float]) -> None:
    amount = 1.2
    light = np.exp(-amount * _vectors(second)[stain]) * 256 - 1
    pixels = np.rint(light).astype(np.uint8).reshape(1, 3, 1, 1)
    matrix = stain_matrix((HEMATOXYLIN, second))
    found = deconvolve(torch.from_numpy(pixels), matrix).numpy().ravel()
    assert abs(found[stain] - amount) < 0.03
    assert np.abs(np.delete(found, stain)).max() < 0.03


def test_white_holds_no_stain() -> None:
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert torch.equal(deconvolve(white).abs(), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("matrix", [stain_matrix(), stain_matrix(HEMATOXYLIN_DAB)])
def test_pixels_are_composed_again_from_their_stains(matrix: NDArray[np.float64]) -> None:
    batch = torch.from_numpy(_noise())
    assert torch.equal(recompose(deconvolve(batch, matrix), matrix), batch)
    again = recompose(deconvolve(batch / 255, matrix), matrix, dtype=torch.float32)
    assert torch.allclose(again, batch / 255, atol=1e-4)


def test_one_stain_can_be_shown_alone() -> None:
    amounts = torch.zeros(1, 3, 1, 1)
    amounts[:, 0] = 0.8
    expected = 256 * np.exp(-0.8 * _vectors()[0]) - 1
    assert np.abs(recompose(amounts).numpy().ravel() - expected).max() <= 0.51


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
