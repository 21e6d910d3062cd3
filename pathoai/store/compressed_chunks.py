"""The chunks of one level as its shards hold them: to be counted, checked or copied undecoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import FileIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.store.header import LevelLayout
from pathoai.store.shard_file import index_bytes, parse_index
from pathoai.store.shards import Shard
from pathoai.store.stored_shards import shard_file, stored_shards

Chunk = tuple[int, int]
"""Row and column of a chunk in its level."""

_REMEDY = "`pathoai store verify` lists all damage; make the store again"


class _StoredShard(NamedTuple):
    path: str
    chunks: NDArray[np.int64]
    """Offset and length of each chunk, ``(rows, columns, 2)``; -1 where absent."""


class CompressedChunks:
    """The compressed chunks of one level of a store, complete or not.

    May be shared by threads and by forked processes: no file stays open.
    """

    def __init__(self, folder: Path, layout: LevelLayout, slide_id: str, *, axes: int = 3) -> None:
        """For the array in ``folder``, of so many axes; nothing is read yet."""
        self.layout = layout
        self._axes = axes
        self._folder = folder
        self.where = f"{slide_id} {folder.name}"
        self._per_side = layout.shard_px // layout.chunk_px
        self._known: dict[Shard, _StoredShard | None] = {}

    @property
    def level(self) -> str:
        """Index of the level."""
        return self._folder.name

    @property
    def rows(self) -> int:
        """Rows of chunks that cover the level."""
        return -(-self.layout.size_px.height // self.layout.chunk_px)

    @property
    def columns(self) -> int:
        """Columns likewise."""
        return -(-self.layout.size_px.width // self.layout.chunk_px)

    @property
    def shards(self) -> list[Shard]:
        """The shards that have a file, row by row."""
        size = self.layout.size_px
        shape = (*[1] * (self._axes - 2), size.height, size.width)
        return list(stored_shards(self._folder, shape, self.layout.shard_px))

    def present(self) -> Iterator[Chunk]:
        """The chunks that are stored, shard by shard.

        Raises:
            StoreError: A shard cannot be read.
        """
        for shard in self.shards:
            yield from self.present_in(shard)

    def present_in(self, shard: Shard) -> Iterator[Chunk]:
        """The chunks that are stored in one shard, row by row.

        Raises:
            StoreError: The shard cannot be read.
        """
        stored = self._stored(shard)
        if stored is not None:
            top, left = (n * self._per_side for n in shard)
            for row, column in np.argwhere(stored.chunks[..., 0] >= 0).tolist():
                yield top + row, left + column

    def read(self, chunk: Chunk) -> bytes | None:
        """The bytes of a chunk; None where it is absent.

        Raises:
            StoreError: The shard cannot be read, or ends before the chunk does.
        """
        return self.read_many([chunk])[0]

    def read_many(self, chunks: Iterable[Chunk]) -> list[bytes | None]:
        """The bytes of chunks; a shard is opened once for all that follow each other in it.

        Raises:
            StoreError: A shard cannot be read, or ends before a chunk does.
        """
        found: list[bytes | None] = []
        for shard, within in groupby(chunks, self._shard_of):
            found += self._read_shard(shard, within)
        return found

    def _shard_of(self, chunk: Chunk) -> Shard:
        return chunk[0] // self._per_side, chunk[1] // self._per_side

    def _read_shard(self, shard: Shard, chunks: Iterable[Chunk]) -> list[bytes | None]:
        stored, side = self._stored(shard), self._per_side
        if stored is None:
            return [None for _ in chunks]
        places = [stored.chunks[row % side, column % side].tolist() for row, column in chunks]
        try:
            with FileIO(stored.path) as file:
                found = [_read_at(file, *place) for place in places]
        except OSError as error:
            raise self._damaged("a shard cannot be read", shard) from error
        for (offset, length), data in zip(places, found, strict=True):
            if offset >= 0 and len(data or b"") < length:
                raise self._damaged("a shard ends before its chunk does", shard)
        return found

    def undecodable(self, chunk: Chunk, found: str) -> StoreError:
        """The error of whoever decodes a chunk and cannot."""
        return StoreError(
            "a chunk cannot be decoded",
            where=f"{self.where}, row {chunk[0]}, column {chunk[1]}",
            found=found,
            remedy=_REMEDY,
        )

    def _file(self, shard: Shard) -> Path:
        return shard_file(self._folder, self._axes, shard)

    def _stored(self, shard: Shard) -> _StoredShard | None:
        """Where a shard and its chunks lie; None where it is absent."""
        # Two threads may both read an index that neither has found: they find the same.
        if shard not in self._known:
            self._known[shard] = self._read_index(shard)
        return self._known[shard]

    def _read_index(self, shard: Shard) -> _StoredShard | None:
        size, path = index_bytes(self._per_side**2), self._file(shard)
        try:
            with path.open("rb") as file:
                file.seek(-size, 2)
                raw = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._damaged("a shard cannot be read", shard) from error
        found = parse_index(raw, where=self._place(shard))
        return _StoredShard(str(path), found.reshape(self._per_side, self._per_side, 2))

    def _damaged(self, what: str, shard: Shard) -> StoreError:
        return StoreError(what, where=self._place(shard), remedy=_REMEDY)

    def _place(self, shard: Shard) -> str:
        return f"{self.where}/{self._file(shard).relative_to(self._folder).as_posix()}"


def _read_at(file: FileIO, offset: int, length: int) -> bytes | None:
    if offset < 0:
        return None
    file.seek(offset)
    return file.read(length)
