"""Compressed batches become pixels on a device: chunks decoded at once, tiles gathered there."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from pathoai.errors import StoreError
from pathoai.preprocess import nvjpeg
from pathoai.preprocess.compressed_batch import (
    CHUNK,
    FROM_X,
    FROM_Y,
    HEIGHT,
    PLACE,
    TO_X,
    TO_Y,
    WIDTH,
    CompressedBatch,
    CompressedTiles,
    PictureKind,
)
from pathoai.preprocess.device_pictures import PictureDecoder
from pathoai.preprocess.stage_clock import Stage, unmeasured
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.level_reader import WHITE

_PROOFS = 8
"""Chunks of each kind that a GPU must decode as our own codecs do before it decodes any."""


class BatchDecoder:
    """Decodes batches on one device.

    Args:
        device: Where the pixels go.
        pool: Threads that decode what the device cannot.
        stage: Told of the stages ``decode`` and ``gather``.
    """

    def __init__(
        self, device: torch.device, pool: Executor | None = None, stage: Stage = unmeasured
    ) -> None:
        """Try out nothing yet."""
        self.device = device
        self._pool = pool
        self._stage = stage
        self._decoders: dict[PictureKind, PictureDecoder] = {}

    def decode(self, batch: CompressedBatch) -> torch.Tensor:
        """The pixels, ``(N, 3, S, S)`` uint8 on the device, white where there is no chunk.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        shape = (batch.count, 3, batch.size_px, batch.size_px)
        tiles = torch.full(shape, WHITE, dtype=torch.uint8, device=self.device)
        for group in batch.groups:
            if len(group.ends):
                self._fill(tiles, group)
        return tiles

    def on_device(self, kind: PictureKind) -> bool | None:
        """True where the device decodes chunks of a kind; None where that was not tried yet."""
        return self._decoders[kind].on_device if kind in self._decoders else None

    @property
    def words(self) -> str:
        """What has decoded so far, in the words of a record: ``nvjpeg`` or ``cpu``."""
        there = any(decoder.on_device for decoder in self._decoders.values())
        return "nvjpeg" if there else "cpu"

    def _fill(self, tiles: torch.Tensor, group: CompressedTiles) -> None:
        with self._stage("decode"):
            pictures = group.pictures()
            if group.kind not in self._decoders:
                self._decoders[group.kind] = self._decoder(group.kind, pictures[:_PROOFS])
            found = self._decoders[group.kind].decode(pictures, self._pool)
        if found.damaged:
            raise StoreError(
                "a chunk cannot be decoded",
                found=next(iter(found.damaged.values())),
                remedy="`pathoai store verify` lists all damage; make the store again",
            )
        with self._stage("gather"):
            # A few hundred copies are quicker on a CPU, and one kernel on a GPU.
            (gather if tiles.is_cuda else paste_parts)(tiles, found.pixels, group.parts)

    def _decoder(self, kind: PictureKind, samples: list[torch.Tensor]) -> PictureDecoder:
        coding = ChunkCoding(kind.compression)
        decoder = PictureDecoder(coding, kind.side_px, self.device, on_device=True)
        able = kind.compression == "jpeg" and nvjpeg.can_decode(self.device)
        if able and decoder.is_proven(samples):
            return decoder
        return PictureDecoder(coding, kind.side_px, self.device)


@functools.cache
def decoder_for(device: torch.device) -> BatchDecoder:
    """The decoder of a device that this process shares, with threads of its own."""
    return BatchDecoder(device, ThreadPoolExecutor(min(16, os.cpu_count() or 1)))


def paste_parts(tiles: torch.Tensor, chunks: torch.Tensor, parts: torch.Tensor) -> None:
    """Copy parts of chunks into tiles, one by one.

    Args:
        tiles: ``(N, 3, S, S)`` uint8, written to.
        chunks: ``(C, 3, side, side)`` uint8.
        parts: ``(P, 8)`` int64; see ``CompressedTiles``.
    """
    for place, chunk, to_y, to_x, from_y, from_x, height, width in parts.tolist():
        source = chunks[chunk, :, from_y : from_y + height, from_x : from_x + width]
        tiles[place, :, to_y : to_y + height, to_x : to_x + width] = source


@dataclass(frozen=True)
class _Axis:
    """Where tiles lie in the grid of their chunks, along one axis.

    Args:
        side: Of a chunk, in pixels.
        start: ``(T,)`` where each tile starts in its first chunk.
        low: ``(T,)`` its first pixel that the level holds.
        high: ``(T,)`` one past its last.
        cell: ``(P,)`` for each part: the how manieth chunk of its tile it is.
    """

    side: int
    start: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    cell: torch.Tensor

    @classmethod
    def of(cls, parts: torch.Tensor, tile: torch.Tensor, side: int) -> _Axis:
        """From where parts go, where they are from and how long they are, ``(P, 3)``."""
        to, source, length = parts.unbind(1)
        count = int(tile.max()) + 1
        start = torch.empty(count, dtype=torch.int64).scatter_(0, tile, (source - to) % side)
        low = torch.zeros_like(start).scatter_reduce_(0, tile, to, "amin", include_self=False)
        high = torch.zeros_like(start).scatter_reduce_(0, tile, to + length, "amax")
        return cls(side, start, low, high, (start[tile] + to) // side)

    def look_up(self, size: int, device: torch.device) -> tuple[torch.Tensor, ...]:
        """Of each pixel of each tile, ``(T, size)``: cell, place in the chunk, is in the level."""
        steps = torch.arange(size)
        place = self.start[:, None] + steps
        inside = (steps >= self.low[:, None]) & (steps < self.high[:, None])
        cell = (place // self.side).clamp_(max=int(self.cell.max()))
        return cell.to(device), (place % self.side).to(device), inside.to(device)


def gather(tiles: torch.Tensor, chunks: torch.Tensor, parts: torch.Tensor) -> None:
    """The same by one look-up per pixel.

    Chunks form a grid under each tile, so a pixel's chunk follows from where the tile starts in
    its first chunk.

    Args:
        tiles: ``(N, 3, S, S)`` uint8, written to.
        chunks: ``(C, 3, side, side)`` uint8.
        parts: ``(P, 8)`` int64, at least one, on the CPU.
    """
    side, size, device = chunks.shape[-1], tiles.shape[-1], tiles.device
    places, tile = parts[:, PLACE].unique(return_inverse=True)
    rows = _Axis.of(parts[:, [TO_Y, FROM_Y, HEIGHT]], tile, side)
    columns = _Axis.of(parts[:, [TO_X, FROM_X, WIDTH]], tile, side)
    cells = (len(places), int(rows.cell.max()) + 1, int(columns.cell.max()) + 1)
    grid = torch.full(cells, -1).index_put_((tile, rows.cell, columns.cell), parts[:, CHUNK])
    (row, y, in_y), (column, x, in_x) = rows.look_up(size, device), columns.look_up(size, device)
    every = torch.arange(len(places), device=device)[:, None, None]
    chunk = grid.to(device)[every, row[:, :, None], column[:, None, :]]
    known = (chunk >= 0) & in_y[:, :, None] & in_x[:, None, :]
    at = (chunk * (3 * side**2) + y[:, :, None] * side + x[:, None, :]).clamp_(min=0)
    flat, there = chunks.contiguous().view(-1), places.to(device)
    for colour in range(3):
        found = flat[colour * side**2 :].take(at).masked_fill_(~known, WHITE)
        tiles[there, colour] = found


def decoded_ahead(
    batches: Iterable[tuple[CompressedBatch, *tuple[torch.Tensor, ...]]],
    decoder: BatchDecoder,
    ahead: int = 2,
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Pixels and targets on the device, decoded by a thread while earlier ones are learnt from.

    Args:
        batches: From a loader: tiles, and any tensors that go with them.
        decoder: Of the device.
        ahead: Batches that are ready or being decoded.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    device, source = decoder.device, iter(batches)
    side = torch.cuda.Stream(device) if device.type == "cuda" else None

    def next_one() -> tuple[torch.Tensor, ...] | None:
        batch = next(source, None)
        if batch is None:
            return None
        tiles, *others = batch
        if side is None:
            return decoder.decode(tiles), *(other.to(device) for other in others)
        with torch.cuda.stream(side):
            moved = [other.to(device, non_blocking=True) for other in others]
            found = decoder.decode(tiles), *moved
            side.synchronize()
        return found

    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next_one) for _ in range(ahead))
        while (found := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next_one))
            if side is not None:
                for tensor in found:
                    # Made on another stream: their memory must outlive what this one still reads.
                    tensor.record_stream(torch.cuda.current_stream(device))
            yield found
