"""Many tiles of one level at once: each chunk that they share is decoded once, in threads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from pathoai.store.compressed_chunks import Chunk
from pathoai.store.level_reader import WHITE, LevelReader, paste

_PARTS = 16
"""Parts of a batch that threads take one after the other: enough for all to end together."""


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
    tiles = np.full((len(origins_px), size_px, size_px, 3), WHITE, np.uint8)
    users = _tiles_of_chunks(level, origins_px, size_px)
    side, size = level.layout.chunk_px, level.layout.size_px

    def fill(chunk: Chunk) -> None:
        pixels = level.chunk(chunk)
        if pixels is None:
            return
        top, left = chunk[0] * side, chunk[1] * side
        # What a chunk holds past the level's edge is padding.
        pixels = pixels[: size.height - top, : size.width - left]
        for tile in users[chunk]:
            x, y = origins_px[tile]
            paste(pixels, tiles[tile], left - int(x), top - int(y))

    def fill_all(chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            fill(chunk)

    chunks = list(users)
    if pool is None:
        fill_all(chunks)
    else:
        # Handing chunks over one by one costs a third of the time of decoding them. Chunks do not
        # overlap, so threads write to different pixels of a tile.
        step = max(1, len(chunks) // _PARTS)
        list(pool.map(fill_all, (chunks[i : i + step] for i in range(0, len(chunks), step))))
    return tiles


def _tiles_of_chunks(
    level: LevelReader, origins_px: NDArray[np.int64], size_px: int
) -> dict[Chunk, list[int]]:
    """Which tiles need which chunk of the level."""
    side, size = level.layout.chunk_px, level.layout.size_px
    rows, columns = -(-size.height // side), -(-size.width // side)
    users: defaultdict[Chunk, list[int]] = defaultdict(list)
    first = np.maximum(origins_px // side, 0)
    last = (origins_px + size_px - 1) // side
    for tile, ((x0, y0), (x1, y1)) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for row in range(y0, min(y1, rows - 1) + 1):
            for column in range(x0, min(x1, columns - 1) + 1):
                users[row, column].append(tile)
    return users
