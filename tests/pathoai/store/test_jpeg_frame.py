"""The heads of JPEGs, told as libjpeg tells them."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.store.jpeg_frame import JpegFrame
from tests.pathoai.store.made_stores import jpeg, tissue_pixels

_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
_PIXELS = tissue_pixels(48, 64)
_WHITE = np.full((16, 16, 3), 255, np.uint8)


@pytest.mark.parametrize(
    ("space", "subsampling", "expected"),
    [
        ("YCBCR", "444", JpegFrame(64, 48, ycbcr=True, subsampling=(1, 1))),
        ("YCBCR", "422", JpegFrame(64, 48, ycbcr=True, subsampling=(2, 1))),
        ("YCBCR", "440", JpegFrame(64, 48, ycbcr=True, subsampling=(1, 2))),
        ("YCBCR", "420", JpegFrame(64, 48, ycbcr=True, subsampling=(2, 2))),
        ("RGB", "444", JpegFrame(64, 48, ycbcr=False, subsampling=(1, 1))),
    ],
)
def test_what_the_encoder_was_told_is_found(
    space: str, subsampling: str, expected: JpegFrame
) -> None:
    assert JpegFrame.of(jpeg(_PIXELS, space=space, subsampling=subsampling)) == expected


def _without(data: bytes, marker: int) -> bytes:
    start = data.index(bytes([0xFF, marker]))
    length = int.from_bytes(data[start + 2 : start + 4])
    return data[:start] + data[start + 2 + length :]


def test_colours_are_told_as_the_decoder_tells_them() -> None:
    """Every combination of JFIF and Adobe segments: white stays white only if both agree."""
    ycbcr, rgb = jpeg(_WHITE, subsampling="444"), jpeg(_WHITE, space="RGB", subsampling="444")
    bare = _without(ycbcr, 0xE0)
    variants = [
        ycbcr,
        rgb,
        bare,
        ycbcr[:2] + _ADOBE_RGB + ycbcr[2:],
        bare[:2] + _ADOBE_RGB + bare[2:],
        _without(rgb, 0xEE),
    ]
    for data in variants:
        decoded = imagecodecs.jpeg8_decode(data)
        raw = imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="YCBCR")
        assert JpegFrame.of(data).ycbcr == (not np.array_equal(decoded, raw))


def test_fill_bytes_before_a_marker_are_passed_over() -> None:
    data = jpeg(_PIXELS)
    assert JpegFrame.of(data[:2] + b"\xff\xff" + data[2:]) == JpegFrame.of(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"\x00" * 40,
        b"\xff\xd8\xff\xe0\x00\x00\x00\x00",
        b"\xff\xd8\xff\xc0\x00\x04\x08\x00",
        bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(_PIXELS[..., 0]))),
    ],
)
def test_what_is_no_jpeg_of_three_colours_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidValueError):
        JpegFrame.of(data)


@given(st.integers(0, 700), st.integers(0, 255), st.integers(0, 900))
def test_damage_is_refused_or_harmless_but_never_a_crash(at: int, value: int, end: int) -> None:
    data = bytearray(jpeg(_PIXELS))
    data[at % len(data)] = value
    try:
        frame = JpegFrame.of(bytes(data[: len(data) - end % len(data)]))
    except InvalidValueError:
        return
    assert frame.subsampling[0] >= 1
