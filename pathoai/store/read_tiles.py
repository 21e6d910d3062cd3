"""Many tiles of one level at once: each chunk that they share is decoded once, in threads.

Of a JPEG only the rows down to the lowest that is needed are decoded, straight into the tile where
it is the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.store.chunk_plan import FROM_Y, HEIGHT, TILE, WIDTH, ChunkPlan
from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.level_reader import WHITE, LevelReader

_RUNS = 16
"""Parts of a batch that threads take one after the other: enough for all to end together."""

Part = tuple[int, int, int, int, int, int, int]
"""One row of a plan's parts."""
Use = Callable[[Chunk, bytes | None, list[Part]], None]
"""What is done with a chunk: its place, its bytes (None where absent), and its parts."""


def read_tiles(
    level: LevelReader, origins_px: NDArray[np.int64], size_px: int, pool: Executor | None = None
) -> NDArray[np.uint8]:
    """Square tiles of one level.

    Args:
        level: Of a store.
        origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of the level; may
            lie outside of it.
        size_px: Side of the tiles, likewise.
        pool: Threads to decode in.

    Returns:
        ``(N, size_px, size_px, 3)`` uint8; white where the level has no pixel.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    plan = ChunkPlan.of(level.layout, origins_px, Size(size_px, size_px))
    tiles = np.empty((len(origins_px), size_px, size_px, 3), np.uint8)
    tiles[_incomplete(plan, len(tiles), size_px)] = WHITE
    use_chunks(level.compressed, plan, lambda: _Paster(level, tiles), pool)
    return tiles


def _incomplete(plan: ChunkPlan, count: int, size_px: int) -> NDArray[np.bool_]:
    """Which tiles reach past the level, ``(count,)``."""
    areas = plan.parts[:, HEIGHT] * plan.parts[:, WIDTH]
    covered = np.bincount(plan.parts[:, TILE], areas, minlength=count)
    return covered < size_px**2


class _Paster:
    """Decodes chunks into tiles; of one thread, with memory of its own for what is cut off."""

    def __init__(self, level: LevelReader, tiles: NDArray[np.uint8]) -> None:
        self._level, self._tiles = level, tiles
        side = level.layout.chunk_px
        self._scratch = np.empty((side, side, 3), np.uint8)

    def __call__(self, chunk: Chunk, data: bytes | None, parts: list[Part]) -> None:
        if data is None:
            for tile, to_y, to_x, _, _, height, width in parts:
                self._tiles[tile, to_y : to_y + height, to_x : to_x + width] = WHITE
            return
        out = self._target(parts)
        rows = max(part[FROM_Y] + part[HEIGHT] for part in parts)
        pixels = self._level.decode_top(chunk, data, out, rows)
        for tile, to_y, to_x, y, x, height, width in parts:
            target = self._tiles[tile, to_y : to_y + height, to_x : to_x + width]
            if out is self._scratch or not np.may_share_memory(target, pixels):
                target[:] = pixels[y : y + height, x : x + width]

    def _target(self, parts: list[Part]) -> NDArray[np.uint8]:
        """Where the chunk is decoded: in a tile that is all of it, or apart."""
        side = len(self._scratch)
        if self._tiles.shape[1] == side:
            for part in parts:
                if part[HEIGHT] == part[WIDTH] == side:
                    tile: NDArray[np.uint8] = self._tiles[part[TILE]]
                    return tile
        return self._scratch


def use_chunks(
    level: CompressedChunks, plan: ChunkPlan, new_use: Callable[[], Use], pool: Executor | None
) -> None:
    """Read the chunks of a plan, and do something with each.

    Args:
        level: Whose plan it is.
        plan: The chunks and their parts.
        new_use: Gives what is done with chunks; called once for each run of them, all of which
            are used in one thread.
        pool: Threads for the runs.

    Raises:
        StoreError: A shard cannot be read.
    """

    def run(start: int, stop: int) -> None:
        use = new_use()
        chunks: list[Chunk] = list(map(tuple, plan.chunks[start:stop].tolist()))
        first = plan.first[start : stop + 1].tolist()
        parts = list(map(tuple, plan.parts[first[0] : first[-1]].tolist()))
        bytes_of = level.read_many(chunks)
        for chunk, data, begin, end in zip(chunks, bytes_of, first, first[1:], strict=False):
            use(chunk, data, parts[begin - first[0] : end - first[0]])

    # Handing chunks over one by one costs a third of the time of decoding them. Parts do not
    # overlap, so threads write to different pixels of a tile.
    step = max(1, len(plan) // _RUNS)
    starts = range(0, len(plan), step)
    stops = [min(start + step, len(plan)) for start in starts]
    each = map if pool is None else pool.map
    for _ in each(run, starts, stops):
        pass
