"""What must be known of JPEG (T.81) and JPEG 2000 (T.800) to take slides' tiles as they are."""

from __future__ import annotations

import struct

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size

START, END = b"\xff\xd8", b"\xff\xd9"
_YCBCR, _RGB = 1, 0
_SOC_SIZ = b"\xff\x4f\xff\x51"
_EIGHT_BITS = 7


def adobe_segment(*, ycbcr: bool) -> bytes:
    """Adobe's APP14 segment, by which every decoder knows the colour space (ITU-T T.872, 6.5.3)."""
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([_YCBCR if ycbcr else _RGB])


def tables_without_ends(tables: bytes) -> bytes:
    """The segments of a stream that holds tables alone, ready to be put into another stream.

    Raises:
        DamagedSlideError: It is no such stream.
    """
    if not tables:
        return b""
    end = tables.rfind(END)
    if not tables.startswith(START) or end < 0:
        raise DamagedSlideError(
            "the JPEG tables of the TIFF are damaged",
            remedy="copy the file again; it is damaged or was cut short",
        )
    return tables[len(START) : end]


def completed(tile: bytes, header: bytes) -> bytes:
    """A tile as an ordinary JPEG.

    Args:
        tile: A JPEG stream that may lack tables and colour space.
        header: Segments to put at its start. What the tile states itself comes later and counts.
    """
    return tile[: len(START)] + header + tile[len(START) :] if header else tile


def codestream_size(data: bytes) -> tuple[Size, int] | None:
    """Size and number of components of a JPEG 2000 codestream of bytes, bare or in a JP2 box.

    Returns:
        None where there is none, or one whose components have other than 8 bits.
    """
    start = data.find(_SOC_SIZ)
    if start < 0 or len(data) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    components, depth = struct.unpack_from(">HB", data, start + 40)
    if right <= left or bottom <= top or depth != _EIGHT_BITS:
        return None
    return Size(right - left, bottom - top), components
