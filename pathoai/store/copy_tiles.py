"""The source encoding: a slide's compressed tiles become the store's chunks without being decoded.

Every stored pixel is then what the slide's own decoder gives, at the speed of the disk. Before a
level is copied, some of its tiles are decoded both ways and compared: a file whose colours are
marked wrongly is not copied but resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, InvalidValueError, NotCopyableError
from pathoai.geometry import Size
from pathoai.slide.compressed_tiles import CompressedLevel, compressed_levels
from pathoai.slide.reader import SlideInfo, SlideReader
from pathoai.store.chunk_coding import WHOLE_COLOURS, ChunkCoding
from pathoai.store.header import CopiedLevel
from pathoai.store.jpeg_frame import JpegFrame
from pathoai.store.plain_tile import plain_tile
from pathoai.store.shards import Shard, ShardWriter
from pathoai.store.write_journal import DamagedChunk

_PROOFS = 8
"""Tiles of level 0 that must decode to the reader's very pixels."""
_SAME_PICTURE = 3.0
"""Mean difference in grey levels up to which a coarse tile is the same: readers round positions."""


@dataclass(frozen=True, slots=True)
class TilesToCopy:
    """What of a slide can be copied, proven: the compressed tiles, and what they become.

    Args:
        sources: The tiles of each level, finest first.
        levels: What the store says of them.
    """

    sources: tuple[CompressedLevel, ...]
    levels: tuple[CopiedLevel, ...]


def tiles_to_copy(path: Path, reader: SlideReader) -> TilesToCopy:
    """The levels of a slide whose tiles can become chunks, proven on samples of each.

    Args:
        path: The slide's file.
        reader: The same slide, open.

    Raises:
        NotCopyableError: Level 0 cannot be copied; the error says why.
        DamagedSlideError: The file's own index of tiles is damaged.
    """
    sources: list[CompressedLevel] = []
    levels: list[CopiedLevel] = []
    for source in compressed_levels(path, reader.info):
        copied = _as_copied(source, reader.info)
        nests = copied is not None and (not levels or copied.factor % levels[-1].factor == 0)
        if copied is not None and nests and (source.level == 0) == (not levels):
            prove(source, reader)
            sources.append(source)
            levels.append(copied)
    if not levels:
        raise NotCopyableError("level 0 has no tiles that could be copied")
    return TilesToCopy(tuple(sources), tuple(levels))


def _as_copied(source: CompressedLevel, info: SlideInfo) -> CopiedLevel | None:
    """What the store says of a level; None where a pixel spans no whole number of level 0's."""
    size = info.levels[source.level].size_px
    factor = round(info.levels[source.level].downsample)
    # Scanners drop the rest of a division: up to a pixel is missing at the far edges.
    off_x = abs(size.width * factor - info.size.width)
    off_y = abs(size.height * factor - info.size.height)
    if max(off_x, off_y) >= 2 * factor:
        return None
    return CopiedLevel(factor, size.width, size.height, source.tile_px, source.codec)


def prove(source: CompressedLevel, reader: SlideReader) -> None:
    """Compare tiles spread over a level with what the reader gives.

    Raises:
        NotCopyableError: They decode to other pixels on their own, or not at all.
    """
    present = np.argwhere(source.byte_counts > 0)
    step = max(1, len(present) // _PROOFS)
    # From the middle outward: the first tiles of a slide are glass, which any colours would pass.
    for row, column in present[step // 2 :: step][:_PROOFS]:
        with suppress(DamagedSlideError):
            _prove_tile(source, reader, int(row), int(column))


def _prove_tile(source: CompressedLevel, reader: SlideReader, row: int, column: int) -> None:
    level, side = reader.info.levels[source.level], source.tile_px
    height = min(side, level.size_px.height - row * side)
    width = min(side, level.size_px.width - column * side)
    x, y = (round(n * side * level.downsample) for n in (column, row))
    expected = reader.read_region(x, y, source.level, Size(width, height))
    with source.file.open("rb") as file:
        data = read_tile(source, file, row, column)
    if data is None:
        return
    try:
        found = ChunkCoding(source.codec).decode_rgb(data, side)[:height, :width]
    except (ValueError, RuntimeError) as error:
        raise NotCopyableError("tiles do not decode on their own", found=str(error)) from error
    difference = np.abs(found.astype(np.int16) - expected)
    if (difference.max() if source.level == 0 else difference.mean()) > (
        0 if source.level == 0 else _SAME_PICTURE
    ):
        raise NotCopyableError(
            "tiles decode to other pixels on their own",
            where=f"level {source.level}, row {row}, column {column}",
            found=f"grey levels up to {difference.max()} apart",
        )


def subsampling_of(source: CompressedLevel) -> str:
    """How a level's tiles keep their colours, by the first of them: ``444``, ``422`` or ``420``."""
    places = np.argwhere(source.byte_counts > 0)
    if source.codec != "jpeg" or not len(places):
        return WHOLE_COLOURS
    row, column = (int(place) for place in places[0])
    try:
        with source.file.open("rb") as file:
            data = read_tile(source, file, row, column)
        return JpegFrame.of(data or b"").subsampling_name or WHOLE_COLOURS
    except (DamagedSlideError, InvalidValueError):
        return WHOLE_COLOURS


def read_tile(source: CompressedLevel, file: BinaryIO, row: int, column: int) -> bytes | None:
    """A tile as a picture of its own, without words; None where the file has none.

    Raises:
        DamagedSlideError: The file ends before it, or what lies there is no picture.
    """
    count = int(source.byte_counts[row, column])
    if count == 0:
        return None
    file.seek(int(source.offsets[row, column]))
    data = file.read(count)
    if len(data) < count:
        raise DamagedSlideError("the file ends before the tile does")
    try:
        return plain_tile(source.standalone(data), source.codec)
    except DamagedSlideError as error:
        raise DamagedSlideError("no whole picture lies where the tile should be") from error


def copy_level(
    source: CompressedLevel,
    writer: ShardWriter,
    wanted: NDArray[np.bool_],
    *,
    level: int,
    pool: Executor,
) -> Iterator[Sequence[DamagedChunk]]:
    """Copy the tiles of one level, shard by shard, several at once.

    Args:
        source: The tiles.
        writer: Of the level, whose chunks are as large as the tiles.
        wanted: ``(rows, columns)`` bool: the chunks worth storing.
        level: Index of the level in the store.
        pool: Threads to copy in, a shard each.

    Yields:
        What was damaged, for each shard as it is done.
    """
    per_side = writer.shard_px // writer.chunk_px

    def copy(shard: Shard) -> Sequence[DamagedChunk]:
        top, left = shard[0] * per_side, shard[1] * per_side
        empty = not wanted[top : top + per_side, left : left + per_side].any()
        if empty or writer.is_done(shard):
            return ()
        chunks, damaged = _read_shard(source, writer, shard, wanted, level)
        writer.write_chunks(shard, chunks, damaged)
        return damaged

    yield from _as_done(copy, writer.shards, pool)


def _as_done(
    copy: Callable[[Shard], Sequence[DamagedChunk]], shards: Sequence[Shard], pool: Executor
) -> Iterator[Sequence[DamagedChunk]]:
    futures = [pool.submit(copy, shard) for shard in shards]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _read_shard(
    source: CompressedLevel,
    writer: ShardWriter,
    shard: Shard,
    wanted: NDArray[np.bool_],
    level: int,
) -> tuple[list[bytes | None], list[DamagedChunk]]:
    per_side = writer.shard_px // writer.chunk_px
    top, left = shard[0] * per_side, shard[1] * per_side
    chunks: list[bytes | None] = [None] * per_side**2
    damaged = []
    with source.file.open("rb", buffering=0) as file:
        for y, x in np.argwhere(wanted[top : top + per_side, left : left + per_side]).tolist():
            row, column = top + y, left + x
            try:
                chunks[y * per_side + x] = read_tile(source, file, row, column)
            except DamagedSlideError as error:
                damaged.append(DamagedChunk(level, row, column, error.what))
    return chunks, damaged
