"""Writing levels of an image: chunks are made in threads, coarser ones from the pixels at hand.

Four chunks make one of the next level. They are made one after the other by the same thread, so
that no level is read again to make the next, and hardly more than one chunk of each is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.look_ahead import in_order
from pathoai.store.level_reader import WHITE
from pathoai.store.pyramid import halved
from pathoai.store.shards import Shard, ShardWriter
from pathoai.store.write_journal import DamagedChunk

LEVELS_AT_ONCE = 3
"""A level and how many coarser ones are made in one pass. What a killed run had of their unfinished
shards is made again from the source, to the same bytes: two coarser levels ask for 16 of its shards
at most."""
_AHEAD = max(8, 2 * (os.cpu_count() or 1))
"""Parts of the image made while a shard is written: enough that no thread waits for the disk."""

MakeChunk = Callable[[int, int, Size], NDArray[np.uint8] | None]
"""From the left and top edge of a chunk, in pixels of the level, and its size to its pixels
``(h, w, 3)`` uint8, or None where there is nothing; called from several threads."""
_Place = tuple[int, int]
"""Row and column of a chunk in its level."""
_FOUR = ((0, 0), (0, 1), (1, 0), (1, 1))


class WriteLevels(Protocol):
    """The making of the finest levels, wherever their pixels come from."""

    @property
    def levels(self) -> int:
        """How many are made, from the finest; the others are made from what is stored."""
        ...

    def run(self, pool: Executor) -> Generator[Sequence[DamagedChunk]]:
        """Write all shards; those that an earlier run finished are passed over.

        Once it is closed, no thread reads the slide any more.

        Args:
            pool: Threads to work in.

        Yields:
            What the slide could not give, for each shard of the finest level as it is done.
        """
        ...


@dataclass
class _Made:
    """Encoded chunks by their place, level by level, and those that could not be made."""

    chunks: list[dict[_Place, bytes]]
    damaged: list[DamagedChunk] = field(default_factory=list)

    def add(self, other: _Made) -> None:
        """Take over what another part of the image gave."""
        for mine, found in zip(self.chunks, other.chunks, strict=True):
            mine |= found
        self.damaged += other.damaged


@dataclass(frozen=True)
class LevelsWriting:
    """How a level of an image is made, and with it the coarser ones that follow.

    Args:
        first: Index of the level.
        writers: Of its array and of the coarser levels', each half the one before; all with chunks
            and shards of the same size.
        make: Gives the pixels of a chunk of the first, or of four that make a square.
        wanted: ``(rows, columns)`` bool: the chunks of the first that are worth making.
        four_at_once: Ask for squares of four where all are wanted: what resamples its source reads
            less beyond their edges.
    """

    first: int
    writers: Sequence[ShardWriter]
    make: MakeChunk
    wanted: NDArray[np.bool_]
    four_at_once: bool = False

    @property
    def levels(self) -> int:
        """How many levels are made."""
        return len(self.writers)

    def run(self, pool: Executor) -> Generator[Sequence[DamagedChunk]]:
        """Write all shards in threads of the pool; see ``WriteLevels.run``."""
        done = [{s for s in writer.shards if writer.is_done(s)} for writer in self.writers]
        made = self._nothing
        part_at = self._pass(done).part
        ahead = in_order(pool, lambda at: (at, part_at(at)), self._parts(), depth=_AHEAD + 1)
        with closing(ahead) as parts:
            for number, (part, found) in enumerate(parts, start=1):
                made.add(found)
                for step in range(self.levels):
                    # Parts come in such an order that those of a shard follow each other.
                    side = self.per_side >> (self.levels - 1 - step)
                    if number % side**2:
                        continue
                    shard = (part[0] // side, part[1] // side)
                    if shard not in done[step]:
                        self._write(step, shard, made)
                    if step == 0:
                        if self._below(0, shard).size:
                            yield tuple(made.damaged)
                        made.damaged.clear()
                    made.chunks[step].clear()

    @property
    def per_side(self) -> int:
        """Chunks along a side of a shard."""
        return self.writers[0].shard_px // self.writers[0].chunk_px

    def _pass(self, done: Sequence[set[Shard]]) -> _Pass:
        shapes = [writer.array.shape for writer in self.writers]
        return _Pass(self, [Size(width, height) for _, height, width in shapes], done)

    @property
    def _nothing(self) -> _Made:
        return _Made([{} for _ in self.writers])

    def _parts(self) -> Iterator[_Place]:
        """The chunks of the coarsest level, shard by shard, and what lies beyond its far edges."""
        side = self.per_side
        for row, column in self.writers[-1].shards:
            for y, x in _quarter_by_quarter(side):
                yield row * side + y, column * side + x

    def _below(self, step: int, shard: Shard) -> NDArray[np.bool_]:
        """Which chunks of the first level make a shard, ``step`` levels above it, are wanted."""
        side = self.per_side << step
        top, left = shard[0] * side, shard[1] * side
        return self.wanted[top : top + side, left : left + side]

    def _write(self, step: int, shard: Shard, made: _Made) -> None:
        if not self._below(step, shard).any():
            return
        side = self.per_side
        places = ((shard[0] * side + y, shard[1] * side + x) for y, x in np.ndindex(side, side))
        chunks = [made.chunks[step].get(place) for place in places]
        self.writers[step].write_chunks(shard, chunks, made.damaged if step == 0 else ())


@dataclass(frozen=True)
class _Pass:
    """One run of a writing, with what earlier ones have done of each level."""

    writing: LevelsWriting
    sizes_px: Sequence[Size]
    done: Sequence[set[Shard]]

    def part(self, place: _Place) -> _Made:
        """Make a chunk of the coarsest level, all that it is made of, and nothing that is done."""
        made = self.writing._nothing
        self._pixels(self.writing.levels - 1, place, made, asked=False)
        return made

    def _pixels(
        self, step: int, place: _Place, made: _Made, *, asked: bool
    ) -> NDArray[np.uint8] | None:
        """The pixels of a chunk, where its shard or a coarser one (``asked``) still needs them."""
        side, writer = self.writing.per_side, self.writing.writers[step]
        missing = (place[0] // side, place[1] // side) not in self.done[step]
        if step > 0:
            pixels = self._of_four(step, place, made, asked=asked or missing)
        elif asked or missing:
            pixels = self._first(place, made if missing else None)
        else:
            return None
        if missing and pixels is not None:
            made.chunks[step][place] = writer.encode_rgb(pixels)
        return pixels

    def _of_four(
        self, step: int, place: _Place, made: _Made, *, asked: bool
    ) -> NDArray[np.uint8] | None:
        """A chunk as the mean of the four below it; None where there is nothing."""
        writer, out = self.writing.writers[step], None
        if step == 1 and self.writing.four_at_once:
            square = self._square(place, made, asked=asked)
            if square is not None:
                return halved(square) if asked else None
        half = writer.chunk_px // 2
        for y, x in _FOUR:
            below = (2 * place[0] + y, 2 * place[1] + x)
            pixels = self._pixels(step - 1, below, made, asked=asked)
            if pixels is None or not asked:
                continue
            if out is None:
                size = self._size(step, place)
                out = np.full((size.height, size.width, 3), WHITE, np.uint8)
            halved(pixels, out[y * half : (y + 1) * half, x * half : (x + 1) * half])
        return out

    def _square(self, place: _Place, made: _Made, *, asked: bool) -> NDArray[np.uint8] | None:
        """Four chunks of the first level, made and encoded, where they are one undamaged whole."""
        row, column = 2 * place[0], 2 * place[1]
        writer, wanted = self.writing.writers[0], self.writing.wanted
        shard = (row // self.writing.per_side, column // self.writing.per_side)
        missing = shard not in self.done[0]
        four = wanted[row : row + 2, column : column + 2]
        side, level = writer.chunk_px, self.sizes_px[0]
        inside = (row + 2) * side <= level.height and (column + 2) * side <= level.width
        if not (four.size == 4 and four.all() and inside and (asked or missing)):
            return None
        try:
            pixels = self.writing.make(column * side, row * side, Size(2 * side, 2 * side))
        except DamagedSlideError:
            return None  # One by one it shows which of them is damaged.
        if missing and pixels is not None:
            for y, x in _FOUR:
                part = pixels[y * side : (y + 1) * side, x * side : (x + 1) * side]
                encoded = writer.encode_rgb(np.ascontiguousarray(part))
                made.chunks[0][row + y, column + x] = encoded
        return pixels

    def _first(self, place: _Place, made: _Made | None) -> NDArray[np.uint8] | None:
        """A chunk of the first level; what is damaged is noted in ``made``."""
        wanted = self.writing.wanted
        if place[0] >= wanted.shape[0] or place[1] >= wanted.shape[1] or not wanted[place]:
            return None
        writer = self.writing.writers[0]
        x, y = place[1] * writer.chunk_px, place[0] * writer.chunk_px
        try:
            return self.writing.make(x, y, self._size(0, place))
        except DamagedSlideError as error:
            if made is not None:
                made.damaged.append(DamagedChunk(self.writing.first, *place, error.what))
            return None

    def _size(self, step: int, place: _Place) -> Size:
        """Of a chunk, which may be cut off by the far edges of its level."""
        side, level = self.writing.writers[step].chunk_px, self.sizes_px[step]
        return Size(
            min(side, level.width - place[1] * side), min(side, level.height - place[0] * side)
        )


def _quarter_by_quarter(side: int) -> Iterator[_Place]:
    """The places of a square, those of each quarter of each quarter together (Z-order).

    Args:
        side: A power of two.
    """
    if side == 1:
        yield 0, 0
        return
    half = side // 2
    for top, left in _FOUR:
        for y, x in _quarter_by_quarter(half):
            yield top * half + y, left * half + x
