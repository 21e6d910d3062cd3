"""Which chunks of a level a batch of tiles needs, and which part of each belongs where.

Readers on the CPU and on a GPU follow the same plan, so that each decodes a chunk once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.store.header import LevelLayout

TILE, TO_Y, TO_X, FROM_Y, FROM_X, HEIGHT, WIDTH = range(7)
"""Columns of the parts of a plan."""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """The chunks of a batch, each once, and their parts.

    A part says: ``tiles[tile, to_y:to_y + height, to_x:to_x + width]`` is
    ``chunk[from_y:from_y + height, from_x:from_x + width]``. Parts never overlap in a tile; what no
    part covers lies outside of the level.

    Args:
        chunks: ``(C, 2)`` int64: row and column in the level, those of one shard together.
        first: ``(C + 1,)`` int64: the parts of chunk ``i`` are ``parts[first[i]:first[i + 1]]``.
        parts: ``(P, 7)`` int64, columns as named in this module: tile, place in the tile, place in
            the chunk, size; in pixels of the level.
    """

    chunks: NDArray[np.int64]
    first: NDArray[np.int64]
    parts: NDArray[np.int64]

    @classmethod
    def of(cls, layout: LevelLayout, origins_px: NDArray[np.int64], size_px: Size) -> ChunkPlan:
        """The plan of tiles of one size.

        Args:
            layout: Of the level.
            origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of the level;
                may lie outside of it.
            size_px: Of the tiles, likewise.
        """
        side = layout.chunk_px
        start = np.maximum(origins_px, 0)
        extent = np.array([size_px.width, size_px.height])
        stop = np.minimum(origins_px + extent, [layout.size_px.width, layout.size_px.height])
        first, last = start // side, (stop - 1) // side
        counts = np.maximum(last - first + 1, 0) * (stop > start).all(1, keepdims=True)
        per_tile = counts.prod(1)
        tile = np.repeat(np.arange(len(origins_px)), per_tile)
        # The how manieth chunk of its tile each part is, row by row.
        turn = np.arange(len(tile)) - np.repeat(np.cumsum(per_tile) - per_tile, per_tile)
        row, column = np.divmod(turn, counts[tile, 0]) if len(tile) else (turn, turn)
        chunk = np.stack([column, row], 1) + first[tile]
        corner = chunk * side
        left = np.maximum(start[tile], corner)
        size = np.minimum(stop[tile], corner + side) - left
        to, source = left - origins_px[tile], left - corner
        parts = np.column_stack([tile, to[:, ::-1], source[:, ::-1], size[:, ::-1]])
        return cls._grouped(chunk[:, ::-1], parts, layout.shard_px // side)

    @classmethod
    def _grouped(
        cls, chunk: NDArray[np.int64], parts: NDArray[np.int64], per_side: int
    ) -> ChunkPlan:
        """The parts sorted by their chunk, ``(P, 2)`` rows and columns, and chunks by shard."""
        shard = chunk // per_side
        order = np.lexsort((chunk[:, 1], chunk[:, 0], shard[:, 1], shard[:, 0]))
        chunk, parts = chunk[order], parts[order]
        new = np.ones(len(chunk), np.bool_)
        new[1:] = (chunk[1:] != chunk[:-1]).any(1)
        return cls(chunk[new], np.append(np.flatnonzero(new), len(chunk)), parts)

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.chunks)

    def parts_of(self, index: int) -> NDArray[np.int64]:
        """The parts of one chunk, ``(p, 7)`` int64."""
        return self.parts[self.first[index] : self.first[index + 1]]
