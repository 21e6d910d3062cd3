"""Colours become sRGB as the profile's mathematics say, the same everywhere."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageCms

from pathoai.errors import DamagedSlideError, InvalidValueError
from pathoai.slide.icc import SrgbTransform, to_srgb
from pathoai.testing.icc_profile import SRGB_PRIMARIES, matrix_profile, srgb_by_definition

_SWAPPED = SRGB_PRIMARIES[:, [1, 2, 0]]
_WIDE = np.array([[0.61, 0.205, 0.149], [0.311, 0.626, 0.063], [0.019, 0.061, 0.745]])
"""Primaries of a wide gamut (Adobe RGB's, rounded), some of whose colours sRGB lacks."""


@pytest.fixture(scope="module")
def colours() -> NDArray[np.uint8]:
    """All corners, greys, and colours at random."""
    corners = np.stack(np.meshgrid(*[[0, 1, 128, 254, 255]] * 3), axis=-1).reshape(-1, 3)
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)
    random = np.random.default_rng(0).integers(0, 256, (20_000, 3))
    return np.concatenate([corners, greys, random]).astype(np.uint8)


def test_an_srgb_profile_changes_nothing(colours: NDArray[np.uint8]) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(to_srgb(colours, profile).astype(int) - colours).max() <= 1


@pytest.mark.parametrize(
    ("gamma", "primaries"),
    [(2.2, SRGB_PRIMARIES), (1.8, SRGB_PRIMARIES), (1.0, _SWAPPED), (2.2, _SWAPPED), (2.2, _WIDE)],
)
def test_colours_are_those_of_the_profiles_definition(
    colours: NDArray[np.uint8], gamma: float, primaries: NDArray[np.float64]
) -> None:
    found = to_srgb(colours, matrix_profile(gamma, primaries))
    truth = srgb_by_definition(colours, gamma, primaries)
    # Half a step is the rounding of bytes; LittleCMS computes with 14 bits besides.
    assert np.abs(found - truth).max() <= 1.5
    assert np.abs(found - truth).mean() < 0.3


def test_white_stays_white() -> None:
    """Glass is the white that pathoai shows where nothing was scanned."""
    white = np.full((1, 3), 255, np.uint8)
    for profile in (matrix_profile(1.8), matrix_profile(2.2, _SWAPPED)):
        np.testing.assert_array_equal(to_srgb(white, profile), white)


@pytest.mark.parametrize("shape", [(3,), (7, 3), (5, 6, 3), (2, 5, 6, 3), (0, 4, 3)])
def test_any_batch_is_converted_pixel_by_pixel(
    colours: NDArray[np.uint8], shape: tuple[int, ...]
) -> None:
    pixels = colours[: int(np.prod(shape[:-1]))].reshape(shape)
    before = pixels.copy()
    transform = SrgbTransform(matrix_profile(1.8))
    found = transform(pixels)
    assert found.shape == shape
    np.testing.assert_array_equal(pixels, before)
    flat = [transform(pixel) for pixel in pixels.reshape(-1, 3)]
    np.testing.assert_array_equal(found.reshape(-1, 3), np.array(flat).reshape(-1, 3))


def test_views_of_other_strides_are_read_as_they_look(colours: NDArray[np.uint8]) -> None:
    pixels = colours[:600].reshape(20, 30, 3)
    view = pixels.transpose(1, 0, 2)[::-2]
    transform = SrgbTransform(matrix_profile(1.8))
    np.testing.assert_array_equal(transform(view), transform(np.ascontiguousarray(view)))


def test_threads_share_a_transform_and_get_the_same_bytes() -> None:
    transform = SrgbTransform(matrix_profile(1.8, _WIDE))
    blocks = np.random.default_rng(1).integers(0, 256, (64, 128, 128, 3), dtype=np.uint8)
    alone = [transform(block) for block in blocks]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            np.testing.assert_array_equal(list(pool.map(transform, blocks)), alone)


def test_it_travels_between_processes_and_equals_itself(colours: NDArray[np.uint8]) -> None:
    transform = SrgbTransform(matrix_profile(1.8))
    received = pickle.loads(pickle.dumps(transform))
    assert received == transform
    np.testing.assert_array_equal(received(colours), transform(colours))


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"not a profile" * 40,
        matrix_profile(2.2)[:200],
        matrix_profile(2.2, space=b"GRAY"),
        matrix_profile(2.2, space=b"CMYK"),
        matrix_profile(2.2).replace(b"rXYZ", b"xXYZ"),
    ],
)
def test_a_profile_that_cannot_serve_is_refused(profile: bytes) -> None:
    with pytest.raises(DamagedSlideError, match=r"ICC profile.*Remedy"):
        to_srgb(np.zeros((2, 2, 3), np.uint8), profile)


def test_a_profile_damaged_anywhere_is_used_or_refused(colours: NDArray[np.uint8]) -> None:
    sound, rng, refused = matrix_profile(2.2), np.random.default_rng(3), 0
    for _ in range(300):
        damaged = bytearray(sound)
        for place in rng.integers(0, len(sound), 3):
            damaged[place] = rng.integers(256)
        try:
            assert SrgbTransform(bytes(damaged))(colours[:9]).shape == (9, 3)
        except DamagedSlideError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 3), np.float32)])
def test_other_arrays_are_refused(pixels: NDArray[Any]) -> None:
    with pytest.raises(InvalidValueError):
        to_srgb(pixels, matrix_profile(2.2))
