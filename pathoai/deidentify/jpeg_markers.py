"""JPEG streams without what they say in words: application segments and comments (T.81, T.87).

Entropy-coded data are copied byte for byte. Segments are allowed by their marker; the two
application segments that tell a decoder the colour space are written anew, with nothing in them
but that.
"""

from __future__ import annotations

import re

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError, DeidentificationError
from pathoai.slide.jpeg_stream import END, START

_TABLES_AND_FRAMES = {
    *(0xC0, 0xC1, 0xC2, 0xC3),  # frames that are coded by Huffman's method
    *(0xC4, 0xDB, 0xDC, 0xDD),  # tables, number of lines, restart interval
    *(0xF7, 0xF8),  # JPEG-LS: frame, parameters
}
_SCAN, _COMMENT = 0xDA, 0xFE
_JFIF, _ADOBE = 0xE0, 0xEE
PLAIN_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"
"""The segment of JFIF with no density and no thumbnail."""
_AFTER_ENTROPY = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_AFTER_ENTROPY_LS = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
_LARGEST_MODE = 2


def without_words(data: bytes, left: LeftBehind, *, lossless: bool = False) -> bytes:
    """A JPEG stream, or one that holds tables alone, of segments that are allowed.

    Args:
        data: From its start marker; what follows its end marker is left behind.
        left: Told of what is not copied.
        lossless: It is JPEG-LS, in which other bytes tell the end of entropy-coded data.

    Raises:
        DamagedSlideError: It is cut short, or no JPEG.
        DeidentificationError: It holds a kind of segment that nobody has allowed.
    """
    if not data.startswith(START):
        raise _damaged()
    parts, at = [START], 2
    while True:
        marker, at = _marker(data, at)
        if marker == END[1]:
            if data[at:].strip(b"\0"):
                left.drop("bytes after a JPEG", data[at:])
            return b"".join([*parts, END])
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at : at + length]
        if length < 2 or len(segment) < length:
            raise _damaged()
        at += length
        parts.append(_allowed(marker, segment, left))
        if marker == _SCAN:
            found = (_AFTER_ENTROPY_LS if lossless else _AFTER_ENTROPY).search(data, at)
            if found is None:
                raise _damaged()
            parts.append(data[at : found.start()])
            at = found.start()


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at a place, and where what it says begins; fill bytes may stand before it."""
    if data[at : at + 1] != b"\xff":
        raise _damaged()
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise _damaged()
    return data[at], at + 1


def _allowed(marker: int, segment: bytes, left: LeftBehind) -> bytes:
    """The segment as it may be written; nothing where it is left behind."""
    if marker in _TABLES_AND_FRAMES or marker == _SCAN:
        return bytes([0xFF, marker]) + segment
    if marker == _JFIF and segment[2:7] == b"JFIF\0":
        return PLAIN_JFIF
    if marker == _ADOBE and segment[2:7] == b"Adobe" and len(segment) >= 14:
        if segment[13] > _LARGEST_MODE:
            raise _damaged()
        return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + segment[13:14]
    if marker == _COMMENT:
        left.drop("JPEG comment", segment[2:])
        return b""
    if 0xE0 <= marker <= 0xEF:
        left.drop(f"JPEG APP{marker - 0xE0}", segment[2:])
        return b""
    raise DeidentificationError(
        "a JPEG holds a segment of a kind that is not allowed", found=f"marker FF{marker:02X}"
    )


def _damaged() -> DamagedSlideError:
    return DamagedSlideError("a JPEG is damaged or cut short", remedy="copy the file again")
