"""Writing one sharded array so that a killed run resumes to the same bytes.

A shard is the unit of writing: one writer per shard (two lose data), each shard whole and renamed
into place, its SHA-256 appended to a journal beside the store. On resume a shard counts as done
only if the journal knows it and the file still has that hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.provenance import sha256_of_file
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.shard_file import join_chunks
from pathoai.store.write_journal import DamagedChunk, WriteJournal

CHUNK_PX = 256
SHARD_PX = 2048

Shard = tuple[int, int]
"""Row and column of a shard in its array."""


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    *,
    fill: int | np.uint32,
    coding: ChunkCoding | None = None,
    chunk_px: int = CHUNK_PX,
    shard_px: int = SHARD_PX,
) -> zarr.Array[Any]:
    """An array of square chunks in square shards over its last two axes; replaces another.

    Args:
        group: Where it lies.
        name: Its name there.
        shape: ``(…, height, width)``.
        fill: Value of what is absent: a plain number in an array of bytes; an array of numbers of
            objects has that type.
        coding: Of its chunks.
        chunk_px: Side of a chunk.
        shard_px: Side of a shard.
    """
    lead = shape[:-2]
    return group.create_array(
        name,
        shape=shape,
        dtype="uint8" if isinstance(fill, int) else fill.dtype,
        chunks=(*lead, chunk_px, chunk_px),
        shards=(*lead, shard_px, shard_px),
        fill_value=fill,
        dimension_names=("c", "y", "x")[-len(shape) :],
        overwrite=True,
        **(coding or ChunkCoding()).zarr_arguments(),
    )


def shards_of(shape: tuple[int, ...], shard_px: int = SHARD_PX) -> Iterator[Shard]:
    """All shards, row by row."""
    rows, columns = -(-shape[-2] // shard_px), -(-shape[-1] // shard_px)
    return ((row, column) for row in range(rows) for column in range(columns))


def shard_slices(
    shard: Shard, shape: tuple[int, ...], shard_px: int = SHARD_PX
) -> tuple[slice, slice]:
    """The rows and columns of pixels that a shard holds."""
    y, x = shard[0] * shard_px, shard[1] * shard_px
    return (
        slice(y, min(y + shard_px, shape[-2])),
        slice(x, min(x + shard_px, shape[-1])),
    )


def remove_partial_writes(folder: Path) -> None:
    """Remove what a run that was killed in the middle of a write left beside its target."""
    for partial in folder.rglob("*.partial"):
        partial.unlink()


class ShardWriter:
    """Writes an array shard by shard, skipping what an earlier run finished."""

    def __init__(
        self,
        store_path: Path,
        array: zarr.Array[Any],
        journal: WriteJournal,
        coding: ChunkCoding | None = None,
    ) -> None:
        """For an array of the store at ``store_path``, made with the same coding."""
        self._store_path = store_path
        self.array = array
        self._journal = journal
        self.coding = coding or ChunkCoding()
        if array.shards is None:
            raise StoreError("the array is not sharded", where=array.path)
        self._fill = array.fill_value
        self.chunk_px: int = array.chunks[-1]
        self.shard_px: int = array.shards[-1]

    @property
    def fill(self) -> int:
        """Value of what is absent."""
        return int(self._fill)

    @property
    def shards(self) -> list[Shard]:
        """All shards of the array, row by row."""
        return list(shards_of(self.array.shape, self.shard_px))

    def slices(self, shard: Shard) -> tuple[slice, slice]:
        """The rows and columns of pixels that a shard holds."""
        return shard_slices(shard, self.array.shape, self.shard_px)

    def key(self, shard: Shard) -> str:
        """Path of a shard's file inside the store."""
        lead = ("0",) * (len(self.array.shape) - 2)
        return "/".join((self.array.path, "c", *lead, str(shard[0]), str(shard[1])))

    def is_done(self, shard: Shard) -> bool:
        """True where the shard needs no work."""
        return self._journal.is_done(self._store_path, self.key(shard))

    def write(self, shard: Shard, pixels: NDArray[Any]) -> None:
        """Write a whole shard and note it as done; chunks of nothing but the fill stay absent.

        Args:
            shard: Row and column.
            pixels: ``(…, h, w)`` of the array's type, exactly what the shard covers of the array.

        Raises:
            StoreError: The pixels do not cover the shard exactly.
        """
        rows, columns = self.slices(shard)
        expected = (*self.array.shape[:-2], rows.stop - rows.start, columns.stop - columns.start)
        if pixels.shape != expected:
            raise StoreError(
                "a shard is written whole or not at all", found=pixels.shape, allowed=expected
            )
        if pixels.dtype != self.array.dtype:
            raise StoreError(
                "pixels of another type than the array",
                found=pixels.dtype,
                allowed=self.array.dtype,
            )
        per_side = self.shard_px // self.chunk_px
        self.write_chunks(
            shard,
            [self._encoded(pixels, y, x) for y, x in np.ndindex(per_side, per_side)],
        )

    def _encoded(self, pixels: NDArray[Any], row: int, column: int) -> bytes | None:
        """The bytes of one chunk of a shard's pixels, or None where there is nothing to store."""
        y, x = row * self.chunk_px, column * self.chunk_px
        return self.encode_if_any(pixels[..., y : y + self.chunk_px, x : x + self.chunk_px])

    def encode_if_any(self, chunk: NDArray[Any]) -> bytes | None:
        """The bytes of a chunk ``(…, h, w)``; None where it is nothing but the array's fill."""
        return None if (chunk == self._fill).all() else self.encode(chunk)

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """The bytes of a chunk ``(…, h, w)``; at the array's edge it may be smaller."""
        return self.coding.encode(self._filled_up(chunk, (chunk.ndim - 2, chunk.ndim - 1)))

    def encode_rgb(self, pixels: NDArray[np.uint8]) -> bytes:
        """The bytes of an image's chunk, given as ``(h, w, 3)`` uint8, likewise."""
        return self.coding.encode_rgb(self._filled_up(pixels, (0, 1)))

    def _filled_up(self, chunk: NDArray[Any], axes: tuple[int, int]) -> NDArray[Any]:
        missing = [(0, 0)] * chunk.ndim
        for axis in axes:
            missing[axis] = (0, self.chunk_px - chunk.shape[axis])
        if not any(after for _, after in missing):
            return chunk
        # Repeating the edge compresses better than a step to white, and JPEG does not ring.
        return np.pad(chunk, missing, mode="edge")

    def write_chunks(
        self, shard: Shard, chunks: Sequence[bytes | None], damaged: Iterable[DamagedChunk] = ()
    ) -> None:
        """Write a shard of chunks that are encoded already, and note it as done.

        Args:
            shard: Row and column.
            chunks: All of its chunks, row by row; None where absent.
            damaged: Those that the slide could not give.
        """
        file = self._store_path / self.key(shard)
        digest = ""
        if any(chunk is not None for chunk in chunks):
            parts = join_chunks(chunks)
            digest = write_parts(file, parts)
        else:
            file.unlink(missing_ok=True)
        self._journal.record(self.key(shard), digest, damaged)


def write_parts(file: Path, parts: Iterable[bytes]) -> str:
    """Write the parts beside the target, then rename over it; returns their SHA-256."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    digest = hashlib.sha256()
    with partial.open("wb") as target:
        for part in parts:
            digest.update(part)
            target.write(part)
    partial.replace(file)
    return digest.hexdigest()


def check_hashes(store_path: Path, hashes: Mapping[str, str]) -> None:
    """Compare a finished store with the hashes it holds.

    Raises:
        StoreError: A shard is missing or was altered; the message names the first.
    """
    for key, digest in hashes.items():
        file = store_path / key
        if not file.exists() or sha256_of_file(file) != digest:
            raise StoreError(
                "a shard is missing" if not file.exists() else "a shard was altered",
                where=f"{store_path.stem} {key}",
                remedy="make the store again: delete it and run the command that made it",
            )
