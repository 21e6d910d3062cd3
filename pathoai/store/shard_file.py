"""The file of one shard, as Zarr's sharding codec lays it out.

Source: Zarr v3, ``sharding_indexed`` codec, version 1.0, with index and checksum at the end: the
chunks one after the other, then for each chunk of the shard, row by row, offset and length as
little-endian uint64 (both 2^64 - 1 where a chunk is absent), then CRC-32C of the index.
"""

from __future__ import annotations

from collections.abc import Sequence

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from pathoai.errors import StoreError

_ABSENT = np.uint64(2**64 - 1)
_CHECKSUM_BYTES = 4
_ENTRY_BYTES = 16


def index_bytes(chunk_count: int) -> int:
    """How many bytes at the end of a shard's file are its index."""
    return chunk_count * _ENTRY_BYTES + _CHECKSUM_BYTES


def join_chunks(chunks: Sequence[bytes | None]) -> list[bytes]:
    """The parts of a shard's file, to be written one after the other.

    Args:
        chunks: Row by row; None where absent.
    """
    index = np.full((len(chunks), 2), _ABSENT, "<u8")
    offset, parts = 0, []
    for position, chunk in enumerate(chunks):
        if chunk is not None:
            index[position] = offset, len(chunk)
            offset += len(chunk)
            parts.append(chunk)
    raw = index.tobytes()
    return [*parts, raw, google_crc32c.value(raw).to_bytes(_CHECKSUM_BYTES, "little")]


def parse_index(raw: bytes, *, where: str) -> NDArray[np.int64]:
    """Offset and length of every chunk, ``(chunks, 2)`` int64; -1 where absent.

    Args:
        raw: The last ``index_bytes`` of a shard's file.
        where: Named in errors.

    Raises:
        StoreError: The index is cut short or was altered.
    """
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if google_crc32c.value(body).to_bytes(_CHECKSUM_BYTES, "little") != checksum:
        raise StoreError(
            "the index of a shard is damaged",
            where=where,
            remedy="`pathoai store verify` lists all damage; make the store again",
        )
    return np.frombuffer(body, "<i8").reshape(-1, 2)
