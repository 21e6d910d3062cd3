"""Making a store's finest level on a GPU: threads read and decode, the device resamples rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.preprocess.resample import Taps, resample
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.store.shards import Shard, ShardWriter
from pathoai.store.write_journal import DamagedChunk

ChangeBatch = Callable[[torch.Tensor], torch.Tensor]
"""From ``(N, 3, h, w)`` uint8 to the same, on the device."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What one chunk is made of, or why there is nothing."""

    row: int
    column: int
    rows: Taps
    columns: Taps
    pixels: NDArray[np.uint8] | DamagedChunk


@dataclass(frozen=True)
class DeviceLevelWriting:
    """How the finest level of an image is made on a device, with the results of ``LevelsWriting``.

    Args:
        pixels: Where they come from; its own change of colours is not used here.
        writer: Of the store's finest level.
        wanted: ``(rows, columns)`` bool: the chunks worth making.
        device: Where they are resampled.
        change: What is done to the resampled pixels there, e.g. stain normalisation.
    """

    pixels: Resampling
    writer: ShardWriter
    wanted: NDArray[np.bool_]
    device: torch.device
    change: ChangeBatch | None = None

    @property
    def levels(self) -> int:
        """One: the coarser levels are made from what is stored of it."""
        return 1

    def run(self, pool: Executor) -> Generator[Sequence[DamagedChunk]]:
        """Write all shards; see ``WriteLevels.run``."""
        shards = self.writer.shards
        ahead = self._read_ahead(shards[0], pool)
        for position, shard in enumerate(shards):
            now = ahead
            following = shards[position + 1 : position + 2]
            ahead = self._read_ahead(following[0], pool) if following else None
            yield () if now is None else self._finish(shard, now, pool)

    def _read_ahead(self, shard: Shard, pool: Executor) -> list[Future[_Read]] | None:
        n = self.writer.shard_px // self.writer.chunk_px
        top, left = shard[0] * n, shard[1] * n
        inside = np.argwhere(self.wanted[top : top + n, left : left + n]).tolist()
        if not inside or self.writer.is_done(shard):
            return None
        return [pool.submit(self._read, top + y, left + x) for y, x in inside]

    def _read(self, row: int, column: int) -> _Read:
        side, (_, height, width) = self.writer.chunk_px, self.writer.array.shape
        x, y = column * side, row * side
        columns = Taps.between(x, min(side, width - x), self.pixels.ratio_x)
        rows = Taps.between(y, min(side, height - y), self.pixels.ratio_y)
        size = Size(columns.length_px, rows.length_px)
        pixels: NDArray[np.uint8] | DamagedChunk
        try:
            pixels = self.pixels.windows.read(columns.first_px, rows.first_px, size)
        except DamagedSlideError as error:
            pixels = DamagedChunk(0, row, column, error.what)
        return _Read(row, column, rows, columns, pixels)

    def _finish(
        self, shard: Shard, reads: Sequence[Future[_Read]], pool: Executor
    ) -> Sequence[DamagedChunk]:
        n = self.writer.shard_px // self.writer.chunk_px
        chunks: list[bytes | None] = [None] * n**2
        damaged, encodings = [], []
        # A row of chunks shares its taps along y, and is one batch on the device.
        for _, strip in groupby((read.result() for read in reads), key=lambda read: read.row):
            good = []
            for read in strip:
                if isinstance(read.pixels, DamagedChunk):
                    damaged.append(read.pixels)
                else:
                    good.append((read, read.pixels))
            for (read, _), pixels in zip(good, self._resampled(good), strict=True):
                place = (read.row - shard[0] * n) * n + read.column - shard[1] * n
                encodings.append((place, pool.submit(self.writer.encode, pixels)))
        for place, encoding in encodings:
            chunks[place] = encoding.result()
        self.writer.write_chunks(shard, chunks, damaged)
        return damaged

    def _resampled(self, row: Sequence[tuple[_Read, NDArray[np.uint8]]]) -> list[NDArray[np.uint8]]:
        """The chunks of one row of the store, each ``(3, height, width)`` uint8."""
        if not row:
            return []
        side_by_side = np.concatenate([pixels for _, pixels in row], axis=1)
        batch = torch.from_numpy(side_by_side).to(self.device).permute(2, 0, 1)[None]
        columns = Taps.side_by_side([read.columns for read, _ in row])
        found = resample(batch, row[0][0].rows, columns)
        if self.change is not None:
            found = self.change(found)
        widths = [len(read.columns.index) for read, _ in row]
        return np.split(found[0].cpu().numpy(), np.cumsum(widths)[:-1], axis=2)
