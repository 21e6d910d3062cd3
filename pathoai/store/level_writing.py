"""Writing a level of an image chunk by chunk: the next shard is made while one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.store.level_reader import WHITE, LevelReader, paste
from pathoai.store.shards import Shard, ShardWriter
from pathoai.store.write_journal import DamagedChunk

MakeChunk = Callable[[int, int, Size], NDArray[np.uint8] | None]
"""From the left and top edge of a chunk, in pixels of the level, and its size to its pixels
``(h, w, 3)`` uint8, or None where there is nothing; called from several threads."""


class WriteLevel(Protocol):
    """The making of one level, wherever its pixels come from."""

    def run(self, pool: Executor) -> Iterator[Sequence[DamagedChunk]]:
        """Write all shards; those that an earlier run finished are passed over.

        Args:
            pool: Threads to work in.

        Yields:
            What the slide could not give, for each shard as it is done.
        """
        ...


_Job = tuple[int, int, "Future[bytes | DamagedChunk | None]"]


@dataclass(frozen=True)
class LevelWriting:
    """How one level of an image is made.

    Args:
        level: Its index.
        writer: Of its array.
        make: Gives the pixels of a chunk.
        wanted: ``(rows, columns)`` bool: the chunks worth making.
    """

    level: int
    writer: ShardWriter
    make: MakeChunk
    wanted: NDArray[np.bool_]

    def run(self, pool: Executor) -> Iterator[Sequence[DamagedChunk]]:
        """Write all shards in threads of the pool; see ``WriteLevel.run``."""
        shards = self.writer.shards
        ahead = self._start(shards[0], pool)
        for position, shard in enumerate(shards):
            now = ahead
            following = shards[position + 1 : position + 2]
            ahead = self._start(following[0], pool) if following else None
            yield () if now is None else self._finish(shard, now)

    @property
    def _per_side(self) -> int:
        return self.writer.shard_px // self.writer.chunk_px

    def _start(self, shard: Shard, pool: Executor) -> list[_Job] | None:
        n = self._per_side
        top, left = shard[0] * n, shard[1] * n
        inside = np.argwhere(self.wanted[top : top + n, left : left + n]).tolist()
        if not inside or self.writer.is_done(shard):
            return None
        return [(y, x, pool.submit(self._encoded, top + y, left + x)) for y, x in inside]

    def _encoded(self, row: int, column: int) -> bytes | DamagedChunk | None:
        side, (_, height, width) = self.writer.chunk_px, self.writer.array.shape
        x, y = column * side, row * side
        try:
            pixels = self.make(x, y, Size(min(side, width - x), min(side, height - y)))
        except DamagedSlideError as error:
            return DamagedChunk(self.level, row, column, error.what)
        return None if pixels is None else self.writer.encode_rgb(pixels)

    def _finish(self, shard: Shard, jobs: Sequence[_Job]) -> Sequence[DamagedChunk]:
        chunks: list[bytes | None] = [None] * self._per_side**2
        damaged = []
        for y, x, job in jobs:
            result = job.result()
            if isinstance(result, DamagedChunk):
                damaged.append(result)
            else:
                chunks[y * self._per_side + x] = result
        self.writer.write_chunks(shard, chunks, damaged)
        return damaged


def coarser_level(level: int, below: LevelReader, writer: ShardWriter, step: int) -> LevelWriting:
    """The making of a level from the one below, each pixel the mean of a square of those.

    Args:
        level: Its index.
        below: The level below.
        writer: Of the level.
        step: Pixels below per pixel of the level.
    """
    side, (_, height, width) = writer.chunk_px, writer.array.shape
    everywhere = np.ones((-(-height // side), -(-width // side)), np.bool_)

    def make(x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8] | None:
        return _shrunk(below, x_px, y_px, size_px, step)

    return LevelWriting(level, writer, make, everywhere)


def _shrunk(
    below: LevelReader, x_px: int, y_px: int, size_px: Size, step: int
) -> NDArray[np.uint8] | None:
    """A chunk of the coarser level; None where nothing below it is stored."""
    out = np.full((size_px.height, size_px.width, 3), WHITE, np.uint8)
    side, size, found = below.layout.chunk_px, below.layout.size_px, False
    for row in range(y_px * step // side, -(-(y_px + size_px.height) * step // side)):
        for column in range(x_px * step // side, -(-(x_px + size_px.width) * step // side)):
            top, left = row * side, column * side
            if top >= size.height or left >= size.width:
                continue
            pixels = below.chunk((row, column))
            if pixels is None:
                continue
            found = True
            inside = pixels[: size.height - top, : size.width - left]
            # The mean of what is there, halves rounded up.
            small = np.asarray(Image.fromarray(np.ascontiguousarray(inside)).reduce(step))
            paste(small, out, left // step - x_px, top // step - y_px)
    return out if found else None
