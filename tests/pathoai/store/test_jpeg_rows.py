"""A JPEG that ends early has the first rows of the whole, bit by bit."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pathoai.errors import InvalidValueError
from pathoai.store.jpeg_rows import first_rows


def jpeg(
    height: int, subsampling: str, *, restart: int = 0, progressive: bool = False, seed: int = 0
) -> bytes:
    """Noise, so that every row differs from the next and colours are smoothed over all of them."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, 64, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise).save(
        target,
        "jpeg",
        subsampling=subsampling,
        restart_marker_rows=restart,
        progressive=progressive,
    )
    return target.getvalue()


@settings(deadline=None)
@given(
    height=st.integers(1, 100),
    rows=st.integers(1, 100),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    restart=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_the_first_rows_are_those_of_the_whole(
    height: int, rows: int, subsampling: str, restart: int, seed: int
) -> None:
    data, rows = jpeg(height, subsampling, restart=restart, seed=seed), min(height, rows)
    less, less_height = first_rows(data, rows)
    pixels = imagecodecs.jpeg8_decode(less)
    np.testing.assert_array_equal(pixels[:rows], imagecodecs.jpeg8_decode(data)[:rows])
    assert rows <= len(pixels) == less_height <= min(height, rows + 17)


@pytest.mark.parametrize("sampling", ["411", "440", "444"])
def test_colours_that_are_sampled_otherwise(sampling: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)
    data = bytes(imagecodecs.jpeg8_encode(noise, subsampling=sampling))
    whole = imagecodecs.jpeg8_decode(data)
    for rows in range(1, 97):
        pixels = imagecodecs.jpeg8_decode(first_rows(data, rows)[0])
        np.testing.assert_array_equal(pixels[:rows], whole[:rows])


def test_one_colour_ends_early_too() -> None:
    data = bytes(imagecodecs.jpeg8_encode(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)))
    whole = imagecodecs.jpeg8_decode(data)
    less, height = first_rows(data, 10)
    assert height == 16
    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(less), whole[:16])


def test_what_is_not_stored_row_by_row_stays_whole() -> None:
    progressive = jpeg(100, "4:2:0", progressive=True)
    assert first_rows(progressive, 10) == (progressive, 100)
    sequential = jpeg(100, "4:2:0")
    scan = sequential.index(b"\xff\xda\x00\x0c\x03") + 4
    one_colour = sequential[:scan] + b"\x01" + sequential[scan + 1 :]
    assert first_rows(one_colour, 10) == (one_colour, 100)


def test_a_table_that_looks_like_a_scan_is_no_scan() -> None:
    data = jpeg(100, "4:2:0")
    comment = b"\xff\xfe\x00\x08\xff\xda\x00\x08\x03\x01"
    whole, (less, height) = data[:2] + comment + data[2:], first_rows(data, 10)
    assert first_rows(whole, 10) == (less[:2] + comment + less[2:], height)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"GIF89a", jpeg(20, "4:4:4")[:160]])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidValueError):
        first_rows(data, 8)
