"""Tiles that a store copies say nothing in words, and show what they showed."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from pathoai.errors import DamagedSlideError
from pathoai.store.plain_tile import plain_tile

_PIXELS = np.random.default_rng(2).integers(0, 255, (64, 64, 3)).astype(np.uint8)
_WORD = b"MARTINEAU-Odile"


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def test_comments_exif_and_what_follows_the_end_are_gone() -> None:
    tile = bytes(imagecodecs.jpeg8_encode(_PIXELS, level=90))
    words = _segment(0xFE, _WORD) + _segment(0xE1, b"Exif\0\0" + _WORD)
    told = tile[:2] + words + tile[2:] + _WORD
    plain = plain_tile(told, "jpeg")
    assert _WORD not in plain
    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(plain), imagecodecs.jpeg8_decode(tile))


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2k"])
def test_a_tile_without_words_keeps_every_byte(codec: str) -> None:
    if codec == "jpeg":
        tile = bytes(imagecodecs.jpeg8_encode(_PIXELS))
    else:
        tile = bytes(imagecodecs.jpeg2k_encode(_PIXELS, level=0, codecformat="j2k"))
        tile = plain_tile(tile, codec)  # the encoder leaves its own name in a comment
    assert plain_tile(tile, codec) == tile


def test_a_tile_that_was_cut_short_is_none() -> None:
    tile = bytes(imagecodecs.jpeg8_encode(_PIXELS))
    for data in (tile[:-40], b"", tile[5:]):
        with pytest.raises(DamagedSlideError):
            plain_tile(data, "jpeg")
