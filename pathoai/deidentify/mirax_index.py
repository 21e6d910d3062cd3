"""The index of a MIRAX slide (Index.dat): which bytes of which data file each picture is.

As OpenSlide's site describes it: a version, the slide's id, and the places of two tables of
pointers to records. A record of the hierarchy is a list of pages of (picture number, offset, size,
file), of which the first is empty; one beside the hierarchy is a single (offset, size, file).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pathoai.errors import DamagedSlideError

VERSION = b"01.02"
_MOST_PICTURES = 10**8


@dataclass(frozen=True, slots=True)
class Blob:
    """Some bytes of a data file.

    Args:
        number: Of the picture within its level; 0 beside the hierarchy.
        offset: In the data file.
        size: In bytes.
        file: Number of the data file.
    """

    number: int
    offset: int
    size: int
    file: int


class MiraxIndex:
    """An open index.

    Args:
        path: Index.dat.
        slide_id: As Slidedat.ini states it.

    Raises:
        DamagedSlideError: It is of another version, or of another slide.
    """

    def __init__(self, path: Path, slide_id: str) -> None:
        """Open it."""
        self._file: BinaryIO = path.open("rb")
        head = VERSION + slide_id.encode()
        if self._file.read(len(head)) != head:
            self.close()
            raise DamagedSlideError("the index of the MIRAX slide is not its own, or is unknown")
        self._roots = len(head)

    def pictures(self, record: int) -> Iterator[Blob]:
        """The pictures of a level.

        Raises:
            DamagedSlideError: The index is cut short.
        """
        page, seen = self._first_page(self._roots, record), 0
        while page:
            count, following = self._numbers(page, 2)
            seen += count
            if not count >= 0 or seen > _MOST_PICTURES:
                raise _damaged()
            for number in range(count):
                yield Blob(*self._numbers(page + 8 + 16 * number, 4))
            page = following

    def beside(self, record: int) -> Blob | None:
        """What lies beside the hierarchy; None where the record is empty.

        Raises:
            DamagedSlideError: The index is cut short.
        """
        page = self._first_page(self._roots + 4, record)
        if not page or self._numbers(page, 1)[0] < 1:
            return None
        _, _, _, _, offset, size, file = self._numbers(page, 7)
        return Blob(0, offset, size, file)

    def _first_page(self, root: int, record: int) -> int:
        table = self._numbers(root, 1)[0]
        place = self._numbers(table + 4 * record, 1)[0]
        return self._numbers(place, 2)[1] if place else 0

    def _numbers(self, at: int, count: int) -> tuple[int, ...]:
        if at < 0:
            raise _damaged()
        self._file.seek(at)
        data = self._file.read(4 * count)
        if len(data) < 4 * count:
            raise _damaged()
        return struct.unpack(f"<{count}i", data)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def write_index(
    path: Path, slide_id: str, levels: Sequence[Sequence[Blob]], beside: Sequence[Blob]
) -> None:
    """Write an index of one page a level.

    Args:
        path: Where to.
        slide_id: As Slidedat.ini states it.
        levels: The pictures of each level, finest first.
        beside: What lies beside the hierarchy.
    """
    at = len(VERSION) + len(slide_id)
    hierarchy = at + 8
    others = hierarchy + 4 * len(levels)
    body, place = b"", others + 4 * len(beside)
    tables = []
    for records, is_level in ((levels, True), ([[blob] for blob in beside], False)):
        pointers = []
        for blobs in records:
            pointers.append(place + len(body))
            page = struct.pack("<4i", 0, place + len(body) + 8, len(blobs), 0)
            for b in blobs:
                first = (b.number,) if is_level else (0, 0)
                page += struct.pack(f"<{len(first) + 3}i", *first, b.offset, b.size, b.file)
            body += page
        tables.append(struct.pack(f"<{len(pointers)}i", *pointers))
    roots = struct.pack("<2i", hierarchy, others)
    path.write_bytes(VERSION + slide_id.encode() + roots + b"".join(tables) + body)


def _damaged() -> DamagedSlideError:
    return DamagedSlideError("the index of the MIRAX slide is damaged", remedy="copy it again")
