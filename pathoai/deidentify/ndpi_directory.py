"""The directories of Hamamatsu's NDPI: TIFF's, but for offsets of 64 bits in a 32-bit layout.

As tifffile and OpenSlide document it: the header and each directory hold offsets of 8 bytes, and
behind a directory's own next-offset stand the upper halves of its entries' values. In files below
4 GiB these are zero, and older scanners leave them out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pathoai.errors import DamagedSlideError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INTEGERS = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
_MOST_DIRECTORIES, _MOST_TAGS, _MOST_BYTES = 1000, 200, 64 * 2**20
_FOUR_GIB = 2**32
_INLINE = 4


@dataclass(frozen=True, slots=True)
class NdpiTag:
    """A tag with its value.

    Args:
        kind: TIFF's type.
        data: The value's bytes, little endian; an offset or size beyond 4 GiB has 8.
    """

    kind: int
    data: bytes

    def integers(self) -> tuple[int, ...]:
        """The value as whole numbers; none where it is of another type."""
        code = _INTEGERS.get(self.kind)
        if code is None:
            return ()
        if len(self.data) == 8 and self.kind == 4:
            return struct.unpack("<Q", self.data)
        return struct.unpack(f"<{len(self.data) // struct.calcsize(code)}{code}", self.data)


def read_directories(file: BinaryIO, size: int) -> list[dict[int, NdpiTag]]:
    """The tags of each picture, in the order of the file.

    Args:
        file: The slide.
        size: Its bytes.

    Raises:
        DamagedSlideError: A directory lies outside the file, or the chain is a circle.
    """
    wide = size >= _FOUR_GIB
    at = struct.unpack("<Q" if wide else "<I", _read(file, 4, 8 if wide else 4, size))[0]
    found: list[dict[int, NdpiTag]] = []
    seen = set[int]()
    while at:
        if at in seen or len(found) == _MOST_DIRECTORIES:
            raise _damaged()
        seen.add(at)
        tags, at = _read_directory(file, at, size, wide=wide)
        found.append(tags)
    return found


def _read_directory(
    file: BinaryIO, at: int, size: int, *, wide: bool
) -> tuple[dict[int, NdpiTag], int]:
    count = struct.unpack("<H", _read(file, at, 2, size))[0]
    if count > _MOST_TAGS:
        raise _damaged()
    entries = _read(file, at + 2, 12 * count, size)
    behind = _read(file, at + 2 + 12 * count, (8 + 4 * count) if wide else 4, size)
    tags = {}
    for number in range(count):
        tag, kind, values = struct.unpack_from("<HHI", entries, 12 * number)
        low = entries[12 * number + 8 : 12 * number + 12]
        high = behind[8 + 4 * number : 12 + 4 * number] if wide else bytes(4)
        length = values * _SIZES.get(kind, _MOST_BYTES)
        if not 0 < length <= _MOST_BYTES:
            raise _damaged()
        if length > _INLINE:
            data = _read(file, struct.unpack("<Q", low + high)[0], length, size)
        else:
            data = low + high if kind == 4 and any(high) else low[:length]
        tags[tag] = NdpiTag(kind, data)
    return tags, struct.unpack("<Q" if wide else "<I", behind[: 8 if wide else 4])[0]


def write_directories(file: BinaryIO, pictures: Iterable[Mapping[int, NdpiTag]]) -> None:
    """Write directories at the end of a file whose first 12 bytes are left for the header."""
    link = 4
    for tags in pictures:
        _write_directory(file, tags, link)
        link = file.tell() - 4 * len(tags) - 8
    file.seek(0)
    file.write(struct.pack("<2sH", b"II", 42))


def _write_directory(file: BinaryIO, tags: Mapping[int, NdpiTag], link: int) -> None:
    """One directory, which the one before refers to at ``link``."""
    entries, highs = b"", b""
    for tag, value in sorted(tags.items()):
        wide = value.kind == 4 and len(value.data) == 8 and len(value.integers()) == 1
        count = 1 if wide else len(value.data) // _SIZES[value.kind]
        if len(value.data) <= _INLINE or wide:
            data = value.data.ljust(8, b"\0")
        else:
            data = struct.pack("<Q", file.seek(0, 2))
            file.write(value.data + bytes(len(value.data) % 2))
        entries += struct.pack("<HHI", tag, value.kind, count) + data[:4]
        highs += data[4:]
    at = file.seek(0, 2)
    file.write(struct.pack("<H", len(tags)) + entries + bytes(8) + highs)
    file.seek(link)
    file.write(struct.pack("<Q", at))
    file.seek(0, 2)


def _read(file: BinaryIO, at: int, count: int, size: int) -> bytes:
    if at + count > size:
        raise _damaged()
    file.seek(at)
    data = file.read(count)
    if len(data) < count:
        raise _damaged()
    return data


def _damaged() -> DamagedSlideError:
    return DamagedSlideError(
        "the directories of the NDPI file are damaged", remedy="copy the file again"
    )
