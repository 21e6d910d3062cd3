"""ICC profiles that keep their colours and lose their history (ICC.1:2022).

A profile's header holds when it was made, on which device and by which program, and its tags can
hold any text. What a transform to sRGB needs is copied; all else is zero, or absent.
"""

from __future__ import annotations

import struct

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError

_HEADER_BYTES, _ENTRY_BYTES = 128, 12
_KEPT_HEADER = ((8, 24), (36, 40), (64, 80))
"""Version, class and spaces; signature; intent and illuminant. Not: date, device, creator, id."""
_COLOURS = {
    *(b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"bkpt", b"chad", b"rTRC", b"gTRC", b"bTRC", b"kTRC"),
    *(b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"gamt"),
}
_NUMBERS = {b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32"}
_MOST_TAGS = 200


def without_history(profile: bytes, left: LeftBehind) -> bytes:
    """A profile of the same colours.

    Args:
        profile: As the slide holds it.
        left: Told of what is not copied.

    Raises:
        DamagedSlideError: It is no ICC profile.
    """
    count = int.from_bytes(profile[_HEADER_BYTES : _HEADER_BYTES + 4], "big")
    end = _HEADER_BYTES + 4 + count * _ENTRY_BYTES
    if profile[36:40] != b"acsp" or count > _MOST_TAGS or len(profile) < end:
        raise _damaged()
    left.drop("ICC header", profile[24:36] + profile[48:56] + profile[80:128])
    tags: dict[bytes, bytes] = {}
    for at in range(_HEADER_BYTES + 4, end, _ENTRY_BYTES):
        name, offset, size = struct.unpack(">4sII", profile[at : at + _ENTRY_BYTES])
        data = profile[offset : offset + size]
        if len(data) < size:
            raise _damaged()
        if name in _COLOURS and data[:4] in _NUMBERS:
            tags[name] = data
        else:
            left.drop("ICC tag", data)
    # Both are mandatory; readers refuse a profile without.
    text = _text(profile[8])
    return _profile(profile, {b"desc": text, b"cprt": text, **tags})


def _text(version: int) -> bytes:
    """An empty description, in the type of the profile's version."""
    if version >= 4:
        return b"mluc" + bytes(4) + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, 0, 28)
    return b"desc" + bytes(4) + struct.pack(">I", 1) + bytes(1 + 4 + 4 + 2 + 1 + 67)


def _profile(source: bytes, tags: dict[bytes, bytes]) -> bytes:
    header = bytearray(_HEADER_BYTES)
    for begin, end in _KEPT_HEADER:
        header[begin:end] = source[begin:end]
    at = _HEADER_BYTES + 4 + len(tags) * _ENTRY_BYTES
    table, body, places = b"", b"", dict[bytes, int]()
    for name, data in tags.items():
        if data not in places:
            places[data] = at + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    header[:4] = struct.pack(">I", at + len(body))
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def _damaged() -> DamagedSlideError:
    return DamagedSlideError(
        "the slide's ICC profile is malformed",
        remedy="export the slide again without the profile, or with a sound one",
    )
