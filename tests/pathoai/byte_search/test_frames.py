"""Blosc buffers are decoded whatever made them, and what only looks like one takes no memory."""

from __future__ import annotations

import struct
import tracemalloc

import imagecodecs
import numpy as np
import pytest

from pathoai.byte_search.frames import BloscBuffer
from pathoai.byte_search.search_stream import SearchStream, Sight
from pathoai.byte_search.words import Words

_NOISE = np.random.default_rng(0).integers(0, 256, 700_000, np.uint8)
_CONTENTS = {
    "a few bytes": b"Odile",
    "text": b"Martineau Odile " * 30_000,
    "noise": _NOISE.tobytes(),
    "small numbers": (_NOISE % 4).tobytes(),
}


def _decoded(buffer: bytes, step: int) -> bytes:
    decoder, found = BloscBuffer(), b""
    for at in range(0, len(buffer), step):
        found += b"".join(decoder.feed(memoryview(buffer)[at : at + step]))
    return found


@pytest.mark.parametrize("content", _CONTENTS)
@pytest.mark.parametrize("compressor", ["blosclz", "lz4", "lz4hc", "zlib", "zstd"])
@pytest.mark.parametrize(("shuffle", "typesize"), [("none", 1), ("byte", 4), ("bit", 8)])
@pytest.mark.parametrize("threads", [1, 4])
def test_what_blosc_writes_is_decoded(
    content: str, compressor: str, shuffle: str, typesize: int, threads: int
) -> None:
    raw = _CONTENTS[content]
    buffer = bytes(
        imagecodecs.blosc_encode(
            raw, compressor=compressor, shuffle=shuffle, typesize=typesize, numthreads=threads
        )
    )
    for step in (len(buffer) + 9, 30_011 if len(buffer) > 1000 else 3):
        assert _decoded(buffer + b"and more", step) == raw


@pytest.mark.parametrize(
    "altered",
    [
        {"typesize": 0},
        {"block": 0},
        {"block": 2**21},
        {"flags": 7 << 5},
        {"flags": 7 << 5, "block": 2**20, "first": 20},
        {"flags": 2},
        {"packed": 2**30},
        {"first": 3},
        {"block": 100},
        {},
    ],
    ids=str,
)
def test_numbers_that_begin_as_a_buffer_does_are_not_kept(altered: dict[str, int]) -> None:
    """As in an array of numbers, or in pixels; the last has a true header and no table."""
    fields = {
        "two": 0x0102,
        "flags": 1,
        "typesize": 4,
        "full": 2**20,
        "block": 2**14,
        "packed": 2**19,
        "first": 16 + 4 * 2**6,
    }
    header = struct.pack("<HBBIIII", *(fields | altered).values())
    words = Words(["MARTINEAU-Odile"])
    tracemalloc.start()
    stream = SearchStream(words, Sight(2**30))
    for _ in range(30):
        stream.feed(header.ljust(1000, b"\0") * 40)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
