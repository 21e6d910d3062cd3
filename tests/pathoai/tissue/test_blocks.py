"""Working block by block leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.blocks import Block, in_blocks, look_at_blocks


@pytest.mark.parametrize("shape", [(1, 40), (255, 300), (257, 256), (700, 40), (33, 1030)])
def test_blocks_leave_no_seam(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)

    def blurred(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(ndimage.gaussian_filter(image[..., 1].astype(np.float32), 3))

    found = in_blocks(blurred, pixels, 13, np.float32)
    np.testing.assert_allclose(found, blurred(pixels), atol=1e-3)


@pytest.mark.parametrize("margin", [0, 5, 100])
def test_every_pixel_is_shown_once(margin: int) -> None:
    plane = np.random.default_rng(0).integers(0, 256, (520, 610)).astype(np.uint8)
    seen, shown = np.zeros_like(plane), np.zeros(plane.shape, int)

    def look(block: Block) -> None:
        seen[block.place] = block.pixels[block.inner]
        shown[block.place] += 1

    look_at_blocks(look, plane, margin)
    np.testing.assert_array_equal(seen, plane)
    assert (shown == 1).all()


def test_only_blocks_with_wanted_pixels_are_shown() -> None:
    plane = np.ones((520, 610), np.uint8)
    shown, wanted = np.zeros(plane.shape, bool), np.zeros(plane.shape, bool)
    wanted[300, 600] = True

    def look(block: Block) -> None:
        shown[block.place] = True

    look_at_blocks(look, plane, 0, where=wanted)
    assert shown[256:512, 512:].all()
    assert shown.sum() == 256 * (610 - 512)


def test_densities_are_those_of_the_whole_blurred_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 3)).astype(np.uint8)
    smooth = ndimage.gaussian_filter(pixels.astype(np.float64), (1.5, 1.5, 0))
    expected = -np.log10((np.moveaxis(smooth, 2, 0) + 1) / 256)
    found = np.zeros((3, 300, 280))

    def look(block: Block) -> None:
        found[:, *block.place] = block.densities(1.5)
        assert block.densities(1.5) is block.densities(1.5)

    look_at_blocks(look, pixels, 7)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_error_in_one_block_is_an_error() -> None:
    def look(block: Block) -> None:
        raise ValueError("seen")

    with pytest.raises(ValueError, match="seen"):
        look_at_blocks(look, np.zeros((10, 10), np.uint8), 0)
