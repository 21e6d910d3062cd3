"""JPEG 2000 codestreams without comments (T.800, annex A); packets are copied byte for byte."""

from __future__ import annotations

import struct

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError, DeidentificationError

_START, _END, _TILE_PART, _DATA = 0xFF4F, 0xFFD9, 0xFF90, 0xFF93
_COMMENT = 0xFF64
_LENGTHS = {0xFF55, 0xFF57, 0xFF58}
"""TLM, PLM, PLT: where tile-parts and packets lie. No decoder needs them; they would be wrong."""
_ALLOWED = {
    *(0xFF51, 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F),  # SIZ COD COC QCD QCC RGN POC
    *(0xFF60, 0xFF61, 0xFF63, 0xFF50),  # PPM PPT CRG CAP
}
_CODESTREAM_BOX = b"jp2c"


def without_words(data: bytes, left: LeftBehind) -> bytes:
    """The bare codestream, of segments that are allowed.

    Args:
        data: A codestream, or a JP2 file of one; its boxes are left behind.
        left: Told of what is not copied.

    Raises:
        DamagedSlideError: It is cut short, or no codestream.
        DeidentificationError: It holds a kind of segment that nobody has allowed.
    """
    at = _codestream(data, left)
    head, at, marker = _segments(data, at + 2, left)
    parts = [struct.pack(">H", _START), head]
    while marker == _TILE_PART:
        part, at = _tile_part(data, at, left)
        parts.append(part)
        marker = _word(data, at) if at < len(data) else _END
    if marker != _END:
        raise _damaged()
    if data[at + 2 :].strip(b"\0"):
        left.drop("bytes after a JPEG 2000 codestream", data[at + 2 :])
    return b"".join([*parts, struct.pack(">H", _END)])


def _codestream(data: bytes, left: LeftBehind) -> int:
    """Where it begins."""
    if data[:2] == struct.pack(">H", _START):
        return 0
    box = data.find(_CODESTREAM_BOX)
    if box < 0 or _word(data, box + 4) != _START:
        raise _damaged()
    left.drop("JP2 boxes", data[: box - 4])
    return box + 4


def _tile_part(data: bytes, at: int, left: LeftBehind) -> tuple[bytes, int]:
    """A tile-part with its header made anew, and where the next begins."""
    start, length = at, int.from_bytes(data[at + 6 : at + 10], "big")
    head, at, marker = _segments(data, at + 12, left)
    end = start + length if length else len(data) - 2
    if marker != _DATA or not at + 2 <= end <= len(data):
        raise _damaged()
    body = head + data[at:end]
    length_field = struct.pack(">I", 12 + len(body))
    whole = data[start : start + 6] + length_field + data[start + 10 : start + 12] + body
    return whole, end


def _segments(data: bytes, at: int, left: LeftBehind) -> tuple[bytes, int, int]:
    """Those that are allowed, where the marker after them stands, and that marker."""
    parts = []
    while (marker := _word(data, at)) not in (_TILE_PART, _DATA, _END):
        length = _word(data, at + 2)
        whole = data[at : at + 2 + length]
        if length < 2 or len(whole) < 2 + length:
            raise _damaged()
        if marker == _COMMENT:
            left.drop("JPEG 2000 comment", whole[4:])
        elif marker in _ALLOWED:
            parts.append(whole)
        elif marker not in _LENGTHS:
            raise DeidentificationError(
                "a JPEG 2000 tile holds a segment of a kind that is not allowed",
                found=f"marker {marker:04X}",
            )
        at += 2 + length
    return b"".join(parts), at, marker


def _word(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise _damaged()
    return int.from_bytes(data[at : at + 2], "big")


def _damaged() -> DamagedSlideError:
    return DamagedSlideError("a JPEG 2000 tile is damaged or cut short", remedy="copy it again")
