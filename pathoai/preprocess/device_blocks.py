"""Blocks of a slide's level as pixels on a device, put together there from decoded tiles.

What a block is made of is read ahead in threads. Where the slide's own tiles are known and the
device decodes them, only their compressed bytes travel; else windows are decoded in the threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.preprocess.device_pictures import PictureDecoder
from pathoai.preprocess.slide_windows import SlideWindows
from pathoai.preprocess.stage_clock import Stage, unmeasured
from pathoai.slide.compressed_tiles import CompressedLevel
from pathoai.store.copy_tiles import read_tile
from pathoai.store.level_reader import WHITE, paste


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a level, in its pixels; may lie partly outside.

    Args:
        x_px: Left edge.
        y_px: Top edge.
        size_px: Its size.
    """

    x_px: int
    y_px: int
    size_px: Size


@dataclass(frozen=True, eq=False)
class Block:
    """Pixels on a device.

    Args:
        pixels: ``(3, height, width)`` uint8; white outside the slide, and outside all windows
            where tiles were not needed.
        damaged: Which windows the slide could not give whole, and why.
    """

    pixels: torch.Tensor
    damaged: Mapping[int, str]


class UnfinishedBlock(Protocol):
    """A block whose parts are being read."""

    def finish(self, pool: Executor, stage: Stage = unmeasured) -> Block:
        """The block, once all is read; its pixels belong to the current stream.

        Args:
            pool: Threads to decode in.
            stage: Told of the stages ``wait for reading``, ``decode`` and ``put together``.
        """
        ...

    def abandon(self) -> None:
        """Read no more; afterwards no thread reads the slide for it."""
        ...


class BlockSource(Protocol):
    """Gives blocks of one level."""

    def start(self, whole: Window, windows: Sequence[Window], pool: Executor) -> UnfinishedBlock:
        """Begin to read a block.

        Args:
            whole: The block.
            windows: What of it is needed; each lies in the block.
            pool: Threads to read in.
        """
        ...


@dataclass(frozen=True)
class WindowBlocks:
    """Blocks whose windows are decoded by threads, for any slide and any device."""

    windows: SlideWindows
    device: torch.device

    def start(self, whole: Window, windows: Sequence[Window], pool: Executor) -> UnfinishedBlock:
        """Begin to read a block; see ``BlockSource.start``."""
        jobs = [pool.submit(self._read, window) for window in windows]
        return _ReadWindows(self.device, whole, windows, jobs)

    def _read(self, window: Window) -> NDArray[np.uint8] | str:
        try:
            return self.windows.read(window.x_px, window.y_px, window.size_px)
        except DamagedSlideError as error:
            return error.what


@dataclass(frozen=True)
class _ReadWindows:
    device: torch.device
    whole: Window
    windows: Sequence[Window]
    jobs: Sequence[Future[NDArray[np.uint8] | str]]

    def abandon(self) -> None:
        _abandon(self.jobs)

    def finish(self, pool: Executor, stage: Stage = unmeasured) -> Block:
        with stage("wait for reading"):
            read = [job.result() for job in self.jobs]
        with stage("put together"):
            return self._put_together(read)

    def _put_together(self, read: Sequence[NDArray[np.uint8] | str]) -> Block:
        size, damaged = self.whole.size_px, dict[int, str]()
        pinned = self.device.type == "cuda"
        pixels = torch.full(
            (size.height, size.width, 3), WHITE, dtype=torch.uint8, pin_memory=pinned
        )
        out: NDArray[np.uint8] = pixels.numpy()
        for i, (window, found) in enumerate(zip(self.windows, read, strict=True)):
            if isinstance(found, str):
                damaged[i] = found
            else:
                paste(found, out, window.x_px - self.whole.x_px, window.y_px - self.whole.y_px)
        there = pixels.to(self.device, non_blocking=True).permute(2, 0, 1)
        return Block(there, damaged)


def _abandon(jobs: Sequence[Future[Any]]) -> None:
    wait([job for job in jobs if not job.cancel()])


_Tile = tuple[int, int]


@dataclass(frozen=True)
class TileBlocks:
    """Blocks whose tiles are decoded on the device, each once per block.

    Args:
        source: The level's tiles.
        size_px: Of the level, in its own pixels.
        decoder: Of its tiles.
    """

    source: CompressedLevel
    size_px: Size
    decoder: PictureDecoder

    def start(self, whole: Window, windows: Sequence[Window], pool: Executor) -> UnfinishedBlock:
        """Begin to read a block; see ``BlockSource.start``."""
        needed = [self._tiles_of(window) for window in windows]
        tiles = sorted({tile for some in needed for tile in some})
        job = pool.submit(self._read, tiles)
        return _ReadTiles(self, whole, needed, tiles, job)

    def _tiles_of(self, window: Window) -> list[_Tile]:
        side, (rows, columns) = self.source.tile_px, self.source.byte_counts.shape
        bottom = min(rows, -(-(window.y_px + window.size_px.height) // side))
        right = min(columns, -(-(window.x_px + window.size_px.width) // side))
        return [
            (row, column)
            for row in range(max(0, window.y_px // side), bottom)
            for column in range(max(0, window.x_px // side), right)
        ]

    def _read(self, tiles: Sequence[_Tile]) -> list[bytes | DamagedSlideError | None]:
        found: list[bytes | DamagedSlideError | None] = []
        with self.source.file.open("rb", buffering=0) as file:
            for row, column in tiles:
                try:
                    found.append(read_tile(self.source, file, row, column))
                except DamagedSlideError as error:
                    found.append(error)
        return found


@dataclass(frozen=True)
class _ReadTiles:
    blocks: TileBlocks
    whole: Window
    needed: Sequence[Sequence[_Tile]]
    tiles: Sequence[_Tile]
    job: Future[list[bytes | DamagedSlideError | None]]

    def abandon(self) -> None:
        _abandon([self.job])

    def finish(self, pool: Executor, stage: Stage = unmeasured) -> Block:
        with stage("wait for reading"):
            read = dict(zip(self.tiles, self.job.result(), strict=True))
        bad = {
            tile: data.what for tile, data in read.items() if isinstance(data, DamagedSlideError)
        }
        whole = {tile: data for tile, data in read.items() if isinstance(data, bytes)}
        with stage("decode"):
            decoded = self.blocks.decoder.decode(list(whole.values()), pool)
        placed = list(whole)
        for i in decoded.damaged:
            bad[placed[i]] = "pixels cannot be decoded"
        damaged = {
            i: next(bad[tile] for tile in tiles if tile in bad)
            for i, tiles in enumerate(self.needed)
            if any(tile in bad for tile in tiles)
        }
        with stage("put together"):
            return Block(self._put_together(placed, decoded.pixels), damaged)

    def _put_together(self, placed: Sequence[_Tile], tiles: torch.Tensor) -> torch.Tensor:
        side, size = self.blocks.source.tile_px, self.whole.size_px
        rows = [row for row, _ in placed]
        columns = [column for _, column in placed]
        top, left = self.whole.y_px // side, self.whole.x_px // side
        down = -(-(self.whole.y_px + size.height) // side) - top
        across = -(-(self.whole.x_px + size.width) // side) - left
        # One cell per tile: all are put into their places at once.
        cells = tiles.new_full((down, across, 3, side, side), WHITE)
        at = torch.tensor([rows, columns], dtype=torch.int64)
        at -= torch.tensor([[top], [left]])
        cells[tuple(at.to(tiles.device))] = tiles
        pixels = cells.permute(2, 0, 3, 1, 4).reshape(3, down * side, across * side)
        # Tiles are whole even at the edge of the level: what they hold beyond it is no pixel.
        pixels[:, max(0, self.blocks.size_px.height - top * side) :] = WHITE
        pixels[:, :, max(0, self.blocks.size_px.width - left * side) :] = WHITE
        y, x = self.whole.y_px - top * side, self.whole.x_px - left * side
        return pixels[:, y : y + size.height, x : x + size.width]
