"""Making a store's finest level on a GPU: decode, resample, normalise and encode by strips.

A strip is some rows of a shard's chunks. While one is resampled and encoded, the next is decoded on
another stream, the tiles after it are read by threads, and finished shards are hashed and written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.preprocess import nvjpeg
from pathoai.preprocess.device_blocks import Block, BlockSource, UnfinishedBlock, Window
from pathoai.preprocess.device_making import DeviceMaking
from pathoai.preprocess.resample import Taps, resample
from pathoai.preprocess.stage_clock import Stage, StageClock, unmeasured
from pathoai.store.shards import Shard, ShardWriter
from pathoai.store.write_journal import DamagedChunk

ChangeBatch = Callable[[torch.Tensor], torch.Tensor]
"""From ``(N, 3, h, w)`` uint8 to the same, on the device."""

_STRIP_PX = 2**25
"""Source pixels of a strip at most, where a row of chunks allows; resampling takes 0.9 GB."""
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class _Strip:
    """Rows of chunks of a shard, in work.

    Args:
        shard: The shard.
        chunks: Row and column of each wanted chunk, in the level.
        rows: Taps of the strip along y.
        columns: Taps of the strip along x.
        is_last: No strip of the shard comes after.
        block: Their pixels, being read.
    """

    shard: Shard
    chunks: Sequence[tuple[int, int]]
    rows: Taps
    columns: Taps
    is_last: bool
    block: UnfinishedBlock


@dataclass(frozen=True)
class _Made:
    """The chunks of a shard so far."""

    encodings: dict[int, bytes | Future[bytes]] = field(default_factory=dict)
    damaged: list[DamagedChunk] = field(default_factory=list)


@dataclass(frozen=True)
class DeviceLevelWriting:
    """How the finest level of an image is made on a device, with the results of ``LevelsWriting``.

    Args:
        blocks: Gives the slide's pixels on the device.
        ratio: Their pixels per pixel of the store, along x and y.
        writer: Of the store's finest level.
        wanted: ``(rows, columns)`` bool: the chunks worth making.
        making: The device, and whether it encodes.
        change: What is done to the resampled pixels there, e.g. stain normalisation.
        clock: Told how long each stage works.
    """

    blocks: BlockSource
    ratio: tuple[float, float]
    writer: ShardWriter
    wanted: NDArray[np.bool_]
    making: DeviceMaking
    change: ChangeBatch | None = None
    clock: StageClock | None = None

    @property
    def levels(self) -> int:
        """One: the coarser levels are made from what is stored of it."""
        return 1

    def run(self, pool: Executor) -> Generator[Sequence[DamagedChunk]]:
        """Write all shards; see ``WriteLevels.run``.

        Once it is closed, no thread reads the slide any more.
        """
        in_work: deque[_Strip] = deque(maxlen=8)  # more than are ever ahead
        side = _side_stream(self.making.device)
        try:
            # Decoding waits for threads of the pool, so it must not be one of them.
            with ThreadPoolExecutor(1) as decoder:
                decoded = (
                    None
                    if strip is None
                    else (strip, decoder.submit(self._decoded, strip, side, pool))
                    for strip in _ahead(self._strips(pool, in_work), 2)
                )
                for written in _ahead(self._shards(_ahead(decoded, 1), pool), 2):
                    yield written.result()
        finally:
            for strip in in_work:
                strip.block.abandon()

    @property
    def _stage(self) -> Stage:
        return unmeasured if self.clock is None else self.clock.stage

    def _strips(self, pool: Executor, in_work: deque[_Strip]) -> Iterator[_Strip | None]:
        """All strips in order, whose pixels begin to be read; None for a shard without work."""
        n = self.writer.shard_px // self.writer.chunk_px
        side = self.writer.chunk_px
        at_once = max(1, int(_STRIP_PX / (self.ratio[0] * n * side * self.ratio[1] * side)))
        for shard in self.writer.shards:
            top, left = shard[0] * n, shard[1] * n
            inside = np.argwhere(self.wanted[top : top + n, left : left + n])
            inside += np.array((top, left))
            if not len(inside) or self.writer.is_done(shard):
                yield None
                continue
            groups = np.split(inside, np.flatnonzero(np.diff((inside[:, 0] - top) // at_once)) + 1)
            for number, chunks in enumerate(groups):
                places = [(int(row), int(column)) for row, column in chunks]
                in_work.append(self._started(shard, places, number == len(groups) - 1, pool))
                yield in_work[-1]

    def _started(
        self, shard: Shard, chunks: Sequence[tuple[int, int]], is_last: bool, pool: Executor
    ) -> _Strip:
        rows = self._taps([row for row, _ in chunks], axis=1)
        columns = self._taps([column for _, column in chunks], axis=0)
        whole = _window(columns, rows)
        windows = [
            _window(self._taps([column], axis=0), self._taps([row], axis=1))
            for row, column in chunks
        ]
        block = self.blocks.start(whole, windows, pool)
        return _Strip(shard, chunks, rows, columns, is_last, block)

    def _taps(self, chunks: Sequence[int], *, axis: int) -> Taps:
        """Of the pixels from the first to the last of some chunks along x (0) or y (1)."""
        side, length = self.writer.chunk_px, self.writer.array.shape[2 - axis]
        first, stop = min(chunks) * side, min((max(chunks) + 1) * side, length)
        return Taps.between(first, stop - first, self.ratio[axis])

    def _decoded(self, strip: _Strip, side: torch.cuda.Stream | None, pool: Executor) -> Block:
        """The strip's pixels, ready; in a thread and a stream of its own."""
        if side is None:
            return strip.block.finish(pool, self._stage)
        with torch.cuda.stream(side):
            block = strip.block.finish(pool, self._stage)
            side.synchronize()
        return block

    def _shards(
        self, strips: Iterable[tuple[_Strip, Future[Block]] | None], pool: Executor
    ) -> Iterator[Future[Sequence[DamagedChunk]]]:
        """The writing of each shard, submitted as its last strip is made."""
        made = _Made()
        for item in strips:
            if item is None:
                yield _nothing()
                continue
            strip, block = item[0], item[1].result()
            if block.pixels.is_cuda:
                # Decoded on another stream: its memory must outlive what this one still reads.
                block.pixels.record_stream(torch.cuda.current_stream(self.making.device))
            self._add(strip, block, made, pool)
            if strip.is_last:
                yield pool.submit(self._write, strip.shard, made)
                made = _Made()

    def _add(self, strip: _Strip, block: Block, made: _Made, pool: Executor) -> None:
        good = [i for i in range(len(strip.chunks)) if i not in block.damaged]
        for i, reason in block.damaged.items():
            made.damaged.append(DamagedChunk(0, *strip.chunks[i], reason))
        if not good:
            return
        chunks = [strip.chunks[i] for i in good]
        with self._stage("resample"):
            batch = self._resampled(strip, block, chunks)
        if self.change is not None:
            with self._stage("normalise"):
                batch = self.change(batch)
        with self._stage("encode"):
            encoded = self._encoded(batch, pool)
        n = self.writer.shard_px // self.writer.chunk_px
        for (row, column), data in zip(chunks, encoded, strict=True):
            made.encodings[(row % n) * n + column % n] = data

    def _resampled(
        self, strip: _Strip, block: Block, chunks: Sequence[tuple[int, int]]
    ) -> torch.Tensor:
        """The chunks, ``(N, 3, side, side)`` uint8; edges repeated where the level ends in one."""
        whole = resample(block.pixels[None], strip.rows, strip.columns)[0]
        side = self.writer.chunk_px
        top = min(row for row, _ in strip.chunks)
        left = min(column for _, column in strip.chunks)
        # Repeating the edge compresses better than a step to white, and JPEG does not ring.
        for dim in (1, 2):
            length = whole.shape[dim]
            index = torch.arange(-(-length // side) * side, device=whole.device)
            whole = whole.index_select(dim, index.clamp_(max=length - 1))
        cells = whole.unflatten(1, (-1, side)).unflatten(3, (-1, side)).permute(1, 3, 0, 2, 4)
        at = (torch.tensor(chunks) - torch.tensor([top, left])).to(whole.device)
        chosen: torch.Tensor = cells[at[:, 0], at[:, 1]]
        return chosen

    def _encoded(self, batch: torch.Tensor, pool: Executor) -> Sequence[bytes | Future[bytes]]:
        if self.making.encodes:
            return nvjpeg.encode(batch, self.writer.coding.quality)
        pixels = batch.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return [pool.submit(self.writer.encode_rgb, one) for one in pixels]

    def _write(self, shard: Shard, made: _Made) -> Sequence[DamagedChunk]:
        per_side = self.writer.shard_px // self.writer.chunk_px
        chunks: list[bytes | None] = [None] * per_side**2
        for place, encoding in made.encodings.items():
            chunks[place] = encoding if isinstance(encoding, bytes) else encoding.result()
        with self._stage("write"):
            self.writer.write_chunks(shard, chunks, made.damaged)
        return made.damaged


def _window(columns: Taps, rows: Taps) -> Window:
    size = Size(columns.length_px, rows.length_px)
    return Window(columns.first_px, rows.first_px, size)


def _side_stream(device: torch.device) -> torch.cuda.Stream | None:
    return torch.cuda.Stream(device) if device.type == "cuda" else None


def _nothing() -> Future[Sequence[DamagedChunk]]:
    done: Future[Sequence[DamagedChunk]] = Future()
    done.set_result(())
    return done


def _ahead(items: Iterable[_Item], count: int) -> Iterator[_Item]:
    """The same items, of which some are begun before they are asked for."""
    waiting: deque[_Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting
