"""WebP pictures without EXIF, XMP and colour profile (RFC 9649)."""

from __future__ import annotations

import struct

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError, DeidentificationError

_PIXELS = {b"VP8 ", b"VP8L", b"ALPH"}
_DROPPED = {b"EXIF", b"XMP ", b"ICCP"}
_EXTENDED = b"VP8X"
_ALPHA = 0x10


def without_words(data: bytes, left: LeftBehind) -> bytes:
    """A WebP of nothing but its pixels.

    Raises:
        DamagedSlideError: It is cut short, or no WebP.
        DeidentificationError: It holds a chunk of a kind that nobody has allowed.
    """
    size = int.from_bytes(data[4:8], "little") + 8
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or size > len(data):
        raise DamagedSlideError("a WebP tile is damaged or cut short", remedy="copy it again")
    if data[size:].strip(b"\0"):
        left.drop("bytes after a WebP", data[size:])
    parts, at = [], 12
    while at + 8 <= size:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length]
        if len(body) < length:
            raise DamagedSlideError("a WebP tile is damaged or cut short", remedy="copy it again")
        if name in _DROPPED:
            left.drop(f"WebP chunk {name.decode().strip()}", body)
        elif name == _EXTENDED and length == 10:
            # Alpha is the one feature left that its flags may announce.
            parts.append(_chunk(name, bytes([body[0] & _ALPHA, 0, 0, 0]) + body[4:]))
        elif name in _PIXELS:
            parts.append(_chunk(name, body))
        else:
            raise DeidentificationError("a WebP tile holds a chunk that is not allowed")
        at += 8 + length + length % 2
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
