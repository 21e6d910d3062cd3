"""Which shards of an array have a file; all others hold nothing but the fill value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pathoai.store.shards import Shard, shards_of


def shard_file(folder: Path, axes: int, shard: Shard) -> Path:
    """The file of a shard.

    Args:
        folder: Of the array.
        axes: Of the array; shards are counted along the last two.
        shard: Row and column.
    """
    return folder.joinpath("c", *["0"] * (axes - 2), str(shard[0]), str(shard[1]))


def stored_shards(folder: Path, shape: tuple[int, ...], shard_px: int) -> Iterator[Shard]:
    """The shards that have a file, row by row.

    Args:
        folder: Of the array.
        shape: Of the array.
        shard_px: Side of its shards.
    """
    for shard in shards_of(shape, shard_px):
        if shard_file(folder, len(shape), shard).exists():
            yield shard
