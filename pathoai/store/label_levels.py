"""The coarser levels of a plane of a label: each shard is made once the shards below it are there.

They are made chunk by chunk from what is stored, so memory does not depend on the slide, and on
any thread: while the finest level grows, or all at the end.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Protocol

from numpy import pad
from numpy.typing import NDArray

from pathoai.store.shards import Shard, ShardWriter

Reducer = Callable[[NDArray[Any], int], NDArray[Any]]
"""From ``(…, k h, k w)`` and k to ``(…, h, w)``."""
ReadBelow = Callable[[slice, slice], NDArray[Any] | None]
"""From rows and columns, which may reach past the edge, to the pixels ``(…, h, w)`` that exist
there; None where nothing is stored. Called by several threads."""
_Place = tuple[int, int]


class _Each(Protocol):
    def __call__(
        self, work: Callable[[_Place], bytes | None], places: Iterable[_Place], /
    ) -> Iterable[bytes | None]: ...


class LabelLevels:
    """The levels of one plane under construction.

    Args:
        writers: Of the levels, finest first.
        steps: Pixels of a level per pixel of the next coarser one.
        reduce: Makes the pixels of the coarser one.
        read: Give pixels of each level but the coarsest.
    """

    def __init__(
        self,
        writers: Sequence[ShardWriter],
        steps: Sequence[int],
        reduce: Reducer,
        read: Sequence[ReadBelow],
    ) -> None:
        """Nothing is read yet."""
        self._writers, self._steps, self._reduce, self._read = writers, steps, reduce, read
        self._lock = Lock()
        self._missing: list[Counter[Shard]] = [Counter() for _ in writers]
        self._made: list[set[Shard]] = [set() for _ in writers]

    def expect(self, shards: Iterable[Shard]) -> None:
        """Say which shards of the finest level are not there yet and will be, one by one."""
        expected = set(shards)
        for level, writer in enumerate(self._writers[1:], start=1):
            self._missing[level] = Counter(self._above(level, shard) for shard in expected)
            # What a killed run left unmade over shards that are there is made at the end; until
            # then the levels above it wait.
            expected = {
                shard
                for shard in writer.shards
                if shard in self._missing[level] or not writer.is_done(shard)
            }

    def add(self, shard: Shard) -> None:
        """Make all that an expected shard of the finest level was the last missing part of."""
        for level in range(1, len(self._writers)):
            above = self._above(level, shard)
            with self._lock:
                self._missing[level][above] -= 1
                if self._missing[level][above]:
                    return
            if above not in self._writers[level].shards:
                return  # pixels at the far edge that fill no pixel of this level
            self._make(level, above, map)
            shard = above

    def finish(self) -> None:
        """Make what is not there yet, on all cores."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for level, writer in enumerate(self._writers[1:], start=1):
                for shard in writer.shards:
                    if shard not in self._made[level] and not writer.is_done(shard):
                        self._make(level, shard, pool.map)

    def _above(self, level: int, shard: Shard) -> Shard:
        """The shard of a level that holds one of the level below."""
        step = self._steps[level - 1]
        return shard[0] // step, shard[1] // step

    def _make(self, level: int, shard: Shard, each: _Each) -> None:
        writer = self._writers[level]
        rows, columns = (range(n * writer.shard_px, (n + 1) * writer.shard_px) for n in shard)
        side = writer.chunk_px
        places = [(y, x) for y in rows[::side] for x in columns[::side]]
        chunks = each(lambda place: self._chunk(level, place), places)
        writer.write_chunks(shard, list(chunks))
        self._made[level].add(shard)

    def _chunk(self, level: int, place: _Place) -> bytes | None:
        """The bytes of a chunk, whose upper left pixel is given; None where there is nothing."""
        writer, step = self._writers[level], self._steps[level - 1]
        height, width = writer.array.shape[-2:]
        rows, columns = (
            slice(start, min(start + writer.chunk_px, length))
            for start, length in zip(place, (height, width), strict=True)
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        read = self._read[level - 1]
        below = read(*(slice(step * part.start, step * part.stop) for part in (rows, columns)))
        if below is None:
            return None
        missing = [(0, 0)] * below.ndim
        for axis, part in ((-2, rows), (-1, columns)):
            missing[axis] = (0, step * (part.stop - part.start) - below.shape[axis])
        if any(after for _, after in missing):
            below = pad(below, missing, mode="edge")
        return writer.encode_if_any(self._reduce(below, step))
