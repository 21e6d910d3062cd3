"""Hamamatsu NDPI: the levels in focus, written anew; macro, map and all words are left behind."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from pathoai.deidentify.jpeg_markers import PLAIN_JFIF
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.ndpi_directory import NdpiTag, read_directories, write_directories
from pathoai.deidentify.openslide_hash import hashes, tiles_in
from pathoai.deidentify.rewritten import NewIdentity, Rewritten, drop_names
from pathoai.errors import DamagedSlideError, DeidentificationError

__all__ = ["hashes", "rewrite", "tiles_in"]

_STRIP, _STRIP_BYTES, _COMPRESSION, _JPEG = 273, 279, 259, 7
_LENS, _Z = 65421, 65424
_KEPT = {
    *(254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 530, 531),
    *(65420, 65421, 65422, 65423, 65424),  # format, lens, place on the glass
    *(65426, 65432),  # where restart intervals begin, for quick access
}
"""Tags with their place in the file kept or written anew. None is of text."""
_NUMBERS = {3, 4, 5, 8, 9, 11}
_FLOATS = {11}
_HEADER_BYTES, _CHUNK_BYTES = 1 << 20, 8 << 20
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_TABLES = {0xC0, 0xC4, 0xDB, 0xDD}
_APP_OR_COMMENT = {*range(0xE0, 0xF0), 0xFE}
_SCAN, _END = 0xDA, b"\xff\xd9"
_ADOBE = 0xEE
Tags = Mapping[int, NdpiTag]
Tick = Callable[[], None]


def rewrite(
    source: Path, folder: Path, who: NewIdentity, left: LeftBehind, tick: Tick
) -> Rewritten:
    """Write the levels in focus, and no other picture.

    Args:
        source: The slide.
        folder: Empty; the copy is written into it.
        who: The slide's new identity.
        left: Told of what is not copied.
        tick: Called for each block whose pixels were hashed.

    Raises:
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: A level is not JPEG, or holds what is not allowed.
    """
    drop_names(source, left)
    path = folder / f"{who.code}.ndpi"
    size = source.stat().st_size
    with source.open("rb") as old, path.open("xb+") as new:
        new.write(bytes(12))
        levels = []
        for tags in read_directories(old, size):
            if _is_level(tags):
                levels.append(_level(tags, old, new, left))
            else:
                left.drop("picture that is no level")
                _drop(tags, left, but=set())
        if not levels:
            raise DamagedSlideError("the NDPI file holds no level", remedy="copy it again")
        write_directories(new, levels)
    return Rewritten(path, "hamamatsu", hashes(source, tick), ())


def _is_level(tags: Tags) -> bool:
    """A lens is stated (macro and map have negative ones), and it is the plane in focus."""
    lens, plane = (_number(tags, tag) for tag in (_LENS, _Z))
    return lens > 0 and plane == 0


def _number(tags: Tags, tag: int) -> float:
    value = tags.get(tag)
    if value is None:
        return 0
    if value.kind in _FLOATS and len(value.data) == 4:
        return float(struct.unpack("<f", value.data)[0])
    return next(iter(value.integers()), 0)


def _drop(tags: Tags, left: LeftBehind, *, but: set[int]) -> None:
    for tag, value in tags.items():
        if tag not in but:
            left.drop(f"TIFF tag {tag}", value.data)


def _level(tags: Tags, old: BinaryIO, new: BinaryIO, left: LeftBehind) -> dict[int, NdpiTag]:
    """Copy its strip; returns its tags as they are to be written."""
    strips = [tags[tag].integers() if tag in tags else () for tag in (_STRIP, _STRIP_BYTES)]
    if _number(tags, _COMPRESSION) != _JPEG or [len(v) for v in strips] != [1, 1]:
        raise DeidentificationError("a level of the NDPI file is not one JPEG")
    _drop(tags, left, but=_KEPT)
    kept = {tag: value for tag, value in tags.items() if tag in _KEPT}
    for tag, value in kept.items():
        if value.kind not in _NUMBERS:
            raise DeidentificationError("a TIFF tag holds what it cannot mean", found=f"tag {tag}")
    place = new.seek(0, 2)
    count = _copy_strip(old, strips[0][0], strips[1][0], new, left)
    return {**kept, _STRIP: _long(place), _STRIP_BYTES: _long(count)}


def _long(value: int) -> NdpiTag:
    return NdpiTag(4, struct.pack("<I" if value < 2**32 else "<Q", value))


def _copy_strip(old: BinaryIO, at: int, count: int, new: BinaryIO, left: LeftBehind) -> int:
    """Copy one JPEG; returns its bytes. Places within it stay, since tags refer to them."""
    old.seek(at)
    head = old.read(min(count, _HEADER_BYTES))
    clean, start = _clean_header(head, left)
    new.write(clean)
    old.seek(at + start)
    done, remaining, kept = start, count - start, b""
    while remaining:
        chunk = old.read(min(remaining, _CHUNK_BYTES))
        if not chunk:
            raise DamagedSlideError("the NDPI file is cut short", remedy="copy it again")
        remaining -= len(chunk)
        data = kept + chunk
        found = _MARKER.search(data)
        if found is not None:
            return _ended(data, found.start(), done, new, left)
        # A marker may begin with the last byte of a chunk.
        kept = data[-1:]
        new.write(data[:-1])
        done += len(data) - 1
    raise DamagedSlideError("a JPEG of the NDPI file has no end", remedy="copy it again")


def _ended(data: bytes, at: int, done: int, new: BinaryIO, left: LeftBehind) -> int:
    if data[at : at + 2] != _END:
        raise DeidentificationError("a JPEG of the NDPI file goes on behind its pixels")
    if data[at + 2 :].strip(b"\0"):
        left.drop("bytes after a JPEG", data[at + 2 :])
    new.write(data[: at + 2])
    return done + at + 2


def _clean_header(head: bytes, left: LeftBehind) -> tuple[bytes, int]:
    """Everything up to the entropy-coded data, with zeros for what is said in words."""
    if head[:2] != b"\xff\xd8":
        raise DamagedSlideError("a level of the NDPI file is no JPEG", remedy="copy it again")
    clean, at = bytearray(head), 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(head):
            break
        if marker == _SCAN:
            return bytes(clean[:end]), end
        if marker == _ADOBE and head[at + 4 : at + 9] == b"Adobe" and length == 14:
            clean[at + 9 : end - 1] = b"\0\x64\0\0\0\0"
        elif marker == 0xE0 and head[at + 4 : at + 9] == b"JFIF\0" and length == 16:
            clean[at:end] = PLAIN_JFIF
        elif marker in _APP_OR_COMMENT:
            left.drop(f"JPEG marker FF{marker:02X}", head[at + 4 : end])
            clean[at + 4 : end] = bytes(length - 2)
        elif marker not in _TABLES:
            raise DeidentificationError(
                "a JPEG holds a segment of a kind that is not allowed",
                found=f"marker FF{marker:02X}",
            )
        at = end
    raise DamagedSlideError("a JPEG of the NDPI file is damaged", remedy="copy it again")
