"""Writes a TIFF (6.0) or BigTIFF of parts that come one after the other, in bounded memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

SHORT, LONG, RATIONAL, ASCII, UNDEFINED, LONG8 = 3, 4, 5, 2, 7, 16
_FORMATS = {SHORT: "<u2", LONG: "<u4", LONG8: "<u8", RATIONAL: "<u4"}
_SIZES = {SHORT: 2, LONG: 4, LONG8: 8, RATIONAL: 8, ASCII: 1, UNDEFINED: 1}
_SUB_DIRECTORIES = 330


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag and its value.

    Args:
        tag: Its number.
        kind: Its type, e.g. `SHORT`.
        data: The value, little endian.
    """

    tag: int
    kind: int
    data: bytes

    @classmethod
    def numbers(cls, tag: int, kind: int, values: Iterable[int]) -> Entry:
        """Whole numbers; two for each rational."""
        return cls(tag, kind, np.array(list(values), _FORMATS[kind]).tobytes())

    @classmethod
    def text(cls, tag: int, text: str) -> Entry:
        """A text, in UTF-8 with its final zero."""
        return cls(tag, ASCII, text.encode() + b"\0")


class TiffWriter:
    """A TIFF file that is being written: parts first, directories at the end.

    Args:
        path: Where to; must not exist.
        big: BigTIFF.
    """

    def __init__(self, path: Path, *, big: bool) -> None:
        """Open the file and leave room for its header."""
        self._big = big
        self._file = path.open("xb")
        if big:
            self._file.write(b"II" + struct.pack("<HHHQ", 43, 8, 0, 0))
        else:
            self._file.write(b"II" + struct.pack("<HI", 42, 0))

    @property
    def place_kind(self) -> int:
        """The type of offsets in this file."""
        return LONG8 if self._big else LONG

    def put(self, data: bytes) -> int:
        """Write a part; returns its offset."""
        if self._file.tell() % 2:
            self._file.write(b"\0")
        offset = self._file.tell()
        self._file.write(data)
        return offset

    def finish(self, chain: Sequence[Sequence[Entry]], below: Sequence[Sequence[Entry]]) -> None:
        """Write the directories.

        Args:
            chain: The main chain, in its order.
            below: Those below the first one (SubIFDs).
        """
        children = [self._put_directory(entries, 0) for entries in below]
        following = 0
        for number in reversed(range(len(chain))):
            entries = list(chain[number])
            if number == 0 and children:
                entries.append(Entry.numbers(_SUB_DIRECTORIES, self.place_kind, children))
            following = self._put_directory(entries, following)
        self._file.seek(8 if self._big else 4)
        self._file.write(struct.pack("<Q" if self._big else "<I", following))

    def _put_directory(self, entries: Sequence[Entry], following: int) -> int:
        count, place = ("<Q", "<Q") if self._big else ("<H", "<I")
        wide = struct.calcsize(place)
        raw = b""
        for entry in sorted(entries, key=lambda entry: entry.tag):
            inline = len(entry.data) <= wide
            value = entry.data.ljust(wide, b"\0") if inline else self._placed(entry.data, place)
            number = len(entry.data) // _SIZES[entry.kind]
            raw += struct.pack("<HH", entry.tag, entry.kind) + struct.pack(place, number) + value
        head = struct.pack(count, len(entries))
        return self.put(head + raw + struct.pack(place, following))

    def _placed(self, data: bytes, place: str) -> bytes:
        return struct.pack(place, self.put(data))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._file.close()
