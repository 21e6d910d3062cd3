"""A picture that is pixels and nothing else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

LONGEST_SIDE_PX = 512
"""Of the pictures of slides in a package."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_RGB_OF_8_BITS = (8, 2, 0, 0, 0)
"""Depth, colour type, compression, filter, interlace (PNG, 11.2.2)."""


def plain_png_size(data: bytes, *, longest_side: int = LONGEST_SIDE_PX) -> tuple[int, int] | None:
    """Width and height of a plain RGB picture; None where anything else is in the file.

    Texts, times, profiles and whatever else a PNG may carry (or hide behind its end, or behind the
    end of its compressed rows) are refused alike.

    Args:
        data: The file.
        longest_side: In pixels; a larger picture is refused before it is decoded.
    """
    if not data.startswith(_SIGNATURE):
        return None
    try:
        chunks = list(_chunks(data))
        kinds = [kind for kind, _ in chunks]
        if set(kinds[1:-1]) != {b"IDAT"} or (kinds[0], kinds[-1]) != (b"IHDR", b"IEND"):
            return None
        width, height, *form = _HEADER.unpack(chunks[0][1])
    except (struct.error, ValueError, IndexError):
        return None
    sides_fit = 0 < width <= longest_side and 0 < height <= longest_side
    if tuple(form) != _RGB_OF_8_BITS or not sides_fit or chunks[-1][1]:
        return None
    rows = b"".join(content for _, content in chunks[1:-1])
    return (width, height) if _inflates_to(rows, height * (1 + 3 * width)) else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">I", data, place + 8 + length)
        if zlib.crc32(kind + content) != check:
            raise ValueError("a chunk is damaged")
        yield kind, content
        place += 12 + length


def _inflates_to(data: bytes, size: int) -> bool:
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(data, size + 1)
    except zlib.error:
        return False
    return len(rows) == size and inflater.eof and not inflater.unused_data
