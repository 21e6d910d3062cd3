"""The coarser levels of a plane of a label: each shard is made once the shards below it are there.

Of shards that have just been written, what the level above needs is kept, up to a limit; all else
is read again, chunk by chunk. So memory does not depend on the slide, and the same comes out on any
thread: while the finest level grows, or all at the end.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathoai.store.shards import Shard, ShardWriter

Reducer = Callable[[NDArray[Any], int], NDArray[Any]]
"""From ``(…, k h, k w)`` and k to ``(…, h, w)``."""
ReadBelow = Callable[[slice, slice], NDArray[Any] | None]
"""From rows and columns, which may reach past the edge, to the pixels ``(…, h, w)`` that exist
there; None where nothing is stored. Called by several threads."""
_Place = tuple[int, int]
_Pixels = NDArray[Any]
_KEPT_BYTES = 64 << 20
"""Of a plane, at most: what does not fit is read again."""


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
        self._parts: list[dict[Shard, dict[Shard, _Pixels | None]]] = [{} for _ in writers]
        self._kept = 0

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

    def add(self, shard: Shard, pixels: _Pixels | None) -> None:
        """Make all that an expected shard of the finest level was the last missing part of.

        Args:
            shard: Row and column.
            pixels: What was written of it, ``(…, h, w)``; None where nothing is stored.
        """
        known = True
        for level in range(1, len(self._writers)):
            above, writer = self._above(level, shard), self._writers[level]
            keep = known and writer.shard_px % self._steps[level - 1] == 0
            part = self._reduced(level, shard, pixels) if keep and pixels is not None else None
            with self._lock:
                if keep:
                    self._keep(level, above, shard, part)
                self._missing[level][above] -= 1
                if self._missing[level][above]:
                    return
                parts = self._taken(level, above)
            if above not in writer.shards:
                return  # pixels at the far edge that fill no pixel of this level
            known = len(parts) == self._count_below(level, above)
            pixels = self._join(level, above, parts) if known else None
            if not known:
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

    def _count_below(self, level: int, above: Shard) -> int:
        """How many shards of the level below lie under one."""
        step, writer = self._steps[level - 1], self._writers[level - 1]
        lengths = writer.array.shape[-2:]
        first = (step * n for n in above)
        counts = (-(-length // writer.shard_px) for length in lengths)
        rows, columns = (min(step, count - n) for n, count in zip(first, counts, strict=True))
        return rows * columns

    def _keep(self, level: int, above: Shard, shard: Shard, part: _Pixels | None) -> None:
        size = 0 if part is None else part.nbytes
        if self._kept + size <= _KEPT_BYTES:
            self._kept += size
            self._parts[level].setdefault(above, {})[shard] = part

    def _taken(self, level: int, above: Shard) -> dict[Shard, _Pixels | None]:
        """What is kept of the shards below one, which is not kept any more."""
        parts = self._parts[level].pop(above, {})
        self._kept -= sum(part.nbytes for part in parts.values() if part is not None)
        return parts

    def _reduced(self, level: int, shard: Shard, pixels: _Pixels) -> _Pixels:
        """What a shard gives to the level above it."""
        step, writer = self._steps[level - 1], self._writers[level]
        below = self._writers[level - 1].slices(shard)
        size = tuple(
            max(0, min(-(-part.stop // step), length) - part.start // step)
            for part, length in zip(below, writer.array.shape[-2:], strict=True)
        )
        return self._reduce(_filled_up(pixels, size, step), step)

    def _join(self, level: int, above: Shard, parts: dict[Shard, _Pixels | None]) -> _Pixels | None:
        """Write a shard of what is kept of those below it; None where that is nothing."""
        writer, step = self._writers[level], self._steps[level - 1]
        found = {shard: part for shard, part in parts.items() if part is not None}
        pixels = None
        if found:
            rows, columns = writer.slices(above)
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            pixels = np.full((*writer.array.shape[:-2], *shape), writer.fill, writer.array.dtype)
            side = writer.shard_px // step
            for (row, column), part in found.items():
                y, x = row % step * side, column % step * side
                pixels[..., y : y + part.shape[-2], x : x + part.shape[-1]] = part
            writer.write(above, pixels)
        else:
            writer.write_chunks(above, ())
        self._made[level].add(above)
        return pixels

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
        size = (rows.stop - rows.start, columns.stop - columns.start)
        return writer.encode_if_any(self._reduce(_filled_up(below, size, step), step))


def _filled_up(below: _Pixels, size: tuple[int, ...], step: int) -> _Pixels:
    """Exactly the pixels that ``size`` pixels of the level above are made of."""
    height, width = (step * length for length in size)
    below = below[..., :height, :width]
    missing = [(0, 0)] * (below.ndim - 2)
    missing += [(0, height - below.shape[-2]), (0, width - below.shape[-1])]
    return np.pad(below, missing, mode="edge") if any(after for _, after in missing) else below
