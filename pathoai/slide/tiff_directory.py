"""The directories of a TIFF file, read without trusting them (TIFF 6.0, BigTIFF, SubIFDs).

Own code instead of tifffile's: that one keeps the offset of every tile as a Python object, fails on
damaged files in ten different ways, and logs descriptions, which can hold a patient's name.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError

_REMEDY = "copy the file again; it is damaged or was cut short"
_MOST_DIRECTORIES = 1000
_MOST_TAGS = 4096
_MOST_TEXT_BYTES = 16 * 2**20
_CLASSIC, _BIG = 42, 43
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type that slides use; floating-point types never matter here."""
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8"}
_UNSIGNED_LONGS = {16, 18}
_RATIONALS = {5: "u4", 10: "i4"}
_SUB_DIRECTORIES = 330


@dataclass(frozen=True, slots=True)
class _Field:
    kind: int
    count: int
    offset: int


@dataclass(frozen=True, eq=False)
class Directory:
    """One image file directory: its tags, whose values are read when asked for.

    Args:
        source: The file.
        fields: Where the value of each tag lies.
    """

    source: TiffSource
    fields: Mapping[int, _Field]

    def __contains__(self, tag: int) -> bool:
        """True where the tag is stated."""
        return tag in self.fields

    def count(self, tag: int) -> int:
        """Number of values of a tag; 0 where it is absent."""
        return self.fields[tag].count if tag in self.fields else 0

    def integers(self, tag: int) -> NDArray[np.int64]:
        """All values of a tag, ``(count,)``; empty where it is absent.

        Raises:
            DamagedSlideError: They lie outside the file, or are no integers.
        """
        return self._integers(tag, most=self.count(tag))

    def _integers(self, tag: int, *, most: int) -> NDArray[np.int64]:
        if tag not in self.fields:
            return np.empty(0, np.int64)
        field = self.fields[tag]
        kind = _INTEGERS.get(16 if field.kind in _UNSIGNED_LONGS else field.kind)
        if kind is None:
            raise DamagedSlideError(f"TIFF tag {tag} is no integer", remedy=_REMEDY)
        dtype = np.dtype(self.source.byte_order + kind)
        raw = np.frombuffer(self._raw(field, most), dtype)
        values = raw.astype(np.int64)
        if kind == "u8" and (values < 0).any():
            raise DamagedSlideError(f"TIFF tag {tag} lies outside the file", remedy=_REMEDY)
        return values

    def integer(self, tag: int, default: int) -> int:
        """The first value of a tag, or the default that the standard gives where it is absent.

        Raises:
            DamagedSlideError: It lies outside the file, or is no integer.
        """
        values = self._integers(tag, most=1)
        return int(values[0]) if values.size else default

    def text(self, tag: int) -> str:
        """A text; empty where it is absent.

        Raises:
            DamagedSlideError: It lies outside the file, or is absurdly long.
        """
        return self.data(tag).split(b"\0", 1)[0].decode("utf-8", "replace").strip()

    def data(self, tag: int) -> bytes:
        """The bytes of a tag; empty where it is absent.

        Raises:
            DamagedSlideError: They lie outside the file, or are absurdly many.
        """
        if tag not in self.fields:
            return b""
        field = self.fields[tag]
        if field.count * _SIZES[field.kind] > _MOST_TEXT_BYTES:
            raise DamagedSlideError(f"TIFF tag {tag} is absurdly long", remedy=_REMEDY)
        return self._raw(field, field.count)

    def ratio(self, tag: int) -> float | None:
        """A rational number; None where it is absent or its denominator is zero.

        Raises:
            DamagedSlideError: It lies outside the file.
        """
        if tag not in self.fields or self.fields[tag].kind not in _RATIONALS:
            return None
        kind = self.source.byte_order + _RATIONALS[self.fields[tag].kind]
        above, below = np.frombuffer(self._raw(self.fields[tag], 1), kind).tolist()
        return above / below if below else None

    def children(self) -> list[Directory]:
        """The directories below this one (SubIFDs), in which OME-TIFF keeps its pyramid.

        Raises:
            DamagedSlideError: They lie outside the file.
        """
        if self.count(_SUB_DIRECTORIES) > _MOST_DIRECTORIES:
            raise DamagedSlideError("the TIFF has absurdly many directories", remedy=_REMEDY)
        offsets = self.integers(_SUB_DIRECTORIES).tolist()
        return [self.source.directory(offset)[0] for offset in offsets]

    def _raw(self, field: _Field, most: int) -> bytes:
        return self.source.read(field.offset, min(field.count, most) * _SIZES[field.kind])


class TiffSource:
    """An open TIFF file: its header is read, nothing else.

    Args:
        path: The file.

    Raises:
        NotASlideError: It is no TIFF.
        DamagedSlideError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file: BinaryIO
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise NotASlideError("it cannot be read", found=error.strerror) from None
        try:
            self._read_header(path)
        except (NotASlideError, DamagedSlideError):
            self._file.close()
            raise

    def _read_header(self, path: Path) -> None:
        self.size = path.stat().st_size
        head = self._file.read(16)
        self.byte_order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(self.byte_order + "H", head[2:4])[0] if self._plausible(head) else 0
        if version not in (_CLASSIC, _BIG) or len(head) < (16 if version == _BIG else 8):
            raise NotASlideError("it is no TIFF file")
        self._is_big = version == _BIG
        self._first = (
            self._unpack("Q", head[8:16]) if self._is_big else self._unpack("I", head[4:8])
        )

    def _plausible(self, head: bytes) -> bool:
        return bool(self.byte_order) and len(head) >= 8

    def read(self, offset: int, count: int) -> bytes:
        """Bytes of the file.

        Raises:
            DamagedSlideError: The file ends before; nothing is read and no memory asked for then.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise DamagedSlideError("the file ends before what it refers to", remedy=_REMEDY)
        try:
            self._file.seek(offset)
            data = self._file.read(count)
        except OSError as error:
            raise DamagedSlideError("the file cannot be read", found=error.strerror) from error
        if len(data) < count:
            raise DamagedSlideError("the file ends before what it refers to", remedy=_REMEDY)
        return data

    def directories(self) -> list[Directory]:
        """The main chain of directories, at least one.

        Raises:
            DamagedSlideError: A directory lies outside the file, or the chain is a circle.
            NotASlideError: There are more than any slide has.
        """
        found: list[Directory] = []
        seen, offset = set[int](), self._first
        while offset:
            if offset in seen:
                raise DamagedSlideError("the TIFF's directories form a circle", remedy=_REMEDY)
            if len(found) == _MOST_DIRECTORIES:
                raise NotASlideError(f"it holds more than {_MOST_DIRECTORIES} pictures")
            seen.add(offset)
            directory, offset = self.directory(offset)
            found.append(directory)
        if not found:
            raise DamagedSlideError("the TIFF holds no picture", remedy=_REMEDY)
        return found

    def directory(self, offset: int) -> tuple[Directory, int]:
        """The directory at an offset, and the offset of the next one (0: there is none).

        Raises:
            DamagedSlideError: It lies outside the file.
        """
        head, step, last, wide = ("Q", 20, 8, 8) if self._is_big else ("H", 12, 4, 4)
        head_size = struct.calcsize("<" + head)
        tags = self._unpack(head, self.read(offset, head_size))
        if tags > _MOST_TAGS:
            raise DamagedSlideError("a TIFF directory has absurdly many tags", remedy=_REMEDY)
        start = offset + head_size
        raw = self.read(start, tags * step + last)
        fields = {}
        for i in range(tags):
            entry = raw[i * step : (i + 1) * step]
            tag, kind = struct.unpack(self.byte_order + "HH", entry[:4])
            count, place = struct.unpack(
                f"{self.byte_order}2{'Q' if self._is_big else 'I'}", entry[4:]
            )
            if kind in _SIZES and count:
                inline = count * _SIZES[kind] <= wide
                at = start + i * step + step - wide if inline else place
                fields[tag] = _Field(kind, count, at)
        return Directory(self, fields), self._unpack("Q" if self._is_big else "I", raw[-last:])

    def _unpack(self, kind: str, data: bytes) -> int:
        return int(struct.unpack(self.byte_order + kind, data)[0])

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        self._file.close()

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
        self.close()
