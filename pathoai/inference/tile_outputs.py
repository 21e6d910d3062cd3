"""What a network says of tiles, one after the other, read and computed ahead of their use.

On a CPU each thread reads and computes tiles alone: torch then gives the same bits however many
threads there are, and however tiles are put into batches, which it does not when it divides its
operations. On any other device threads read, and the thread that uses the outputs starts the
computing; batches are filled up, so that a tile's outputs do not depend on how many came with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.look_ahead import in_order
from pathoai.preprocess.torch_threads import undivided_threads

_FORWARD_PX = 1 << 18
"""Pixels computed at once by a thread of a CPU: more take more memory, and no less time."""
_JOB_PX = 1 << 19
"""Pixels read at once there: neighbours share chunks, but threads shall end together."""
_AHEAD_PX = 1 << 26
"""Pixels read ahead of any other device, 200 MB of them; at least two batches."""

Read = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""From origins x, y ``(N, 2)`` to tiles ``(N, S, S, 3)`` uint8."""
Forward = Callable[[torch.Tensor], torch.Tensor]
"""From tiles ``(N, 3, S, S)`` uint8 to what is said of each, ``(N, …)``, on the same device."""
Outputs = Generator[torch.Tensor, None, None]


@dataclass(frozen=True)
class TileComputing:
    """How tiles become outputs.

    Args:
        read: Gives tiles; called by several threads.
        forward: Gives outputs; on a CPU likewise.
        device: Where ``forward`` computes.
        size_px: Side of a tile.
        batch_size: Tiles per batch, at most.
        threads: That compute, on a CPU; else those that read ahead.
        in_threads: Each thread computes what it reads; else only the caller's thread computes.
    """

    read: Read
    forward: Forward
    device: torch.device
    size_px: int
    batch_size: int
    threads: int
    in_threads: bool

    def outputs(
        self, origins_px: Iterable[tuple[int, int]], begin: Callable[[], object] = lambda: None
    ) -> Outputs:
        """What ``forward`` says of each tile, on the device, in their order.

        Of tiles that are not used yet only a bounded number is held. Close it to stop early.

        Args:
            origins_px: Where they lie.
            begin: Called once, before anything is computed; tiles are read meanwhile.
        """
        compute = self._in_threads if self.in_threads else self._on_device
        return compute(iter(origins_px), begin)

    def _in_threads(
        self, origins_px: Iterator[tuple[int, int]], begin: Callable[[], object]
    ) -> Outputs:
        def compute(origins: NDArray[np.int64]) -> list[torch.Tensor]:
            tiles = self.read(origins)
            step = max(1, _FORWARD_PX // self.size_px**2)
            parts = (tiles[start : start + step] for start in range(0, len(tiles), step))
            return [output for part in parts for output in self.forward(images(part))]

        begin()
        with undivided_threads(self.threads) as pool:
            batches = _batches(origins_px, self._tiles_per_job)
            for outputs in in_order(pool, compute, batches, depth=2 * self.threads):
                yield from outputs

    def _on_device(
        self, origins_px: Iterator[tuple[int, int]], begin: Callable[[], object]
    ) -> Outputs:
        def read(origins: NDArray[np.int64]) -> tuple[int, torch.Tensor]:
            tiles = self.read(origins)
            shape = (self.batch_size, *tiles.shape[1:])
            pinned = self.device.type == "cuda"
            batch = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
            batch[: len(tiles)] = torch.from_numpy(tiles)
            return len(tiles), batch.permute(0, 3, 1, 2)

        with undivided_threads(self.threads) as pool:
            batches = _batches(origins_px, self.batch_size)
            most = max(2, _AHEAD_PX // (self.batch_size * self.size_px**2))
            read_ahead = in_order(pool, read, batches, depth=min(most, 2 * self.threads))
            for number, (count, batch) in enumerate(read_ahead):
                if not number:
                    begin()
                yield from self.forward(batch.to(self.device, non_blocking=True))[:count]

    @property
    def _tiles_per_job(self) -> int:
        return max(1, min(self.batch_size, _JOB_PX // self.size_px**2))


def images(tiles: NDArray[np.uint8]) -> torch.Tensor:
    """Tiles ``(N, S, S, 3)`` uint8 as torch has them, ``(N, 3, S, S)``; nothing is copied.

    Colours stay together in memory (``channels_last``), as convolutions take them fastest.
    """
    return torch.from_numpy(tiles).permute(0, 3, 1, 2)


def _batches(origins_px: Iterator[tuple[int, int]], size: int) -> Iterator[NDArray[np.int64]]:
    while batch := list(islice(origins_px, size)):
        yield np.array(batch, np.int64)
