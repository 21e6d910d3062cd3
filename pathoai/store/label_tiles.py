"""The classes of many tiles at any scale: each chunk that they share is decoded once."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.chunk_plan import ChunkPlan
from pathoai.store.compressed_chunks import Chunk
from pathoai.store.label_image import LabelImage
from pathoai.store.read_tiles import Part, use_chunks


def label_tiles(
    label: LabelImage,
    grid: Grid,
    origins_px: NDArray[np.int64],
    size_px: int,
    pool: Executor | None = None,
) -> NDArray[np.uint8]:
    """The class maps of squares of a grid, each pixel taking the value under its centre.

    Args:
        label: The label, on a grid of its own.
        grid: The grid of the squares.
        origins_px: ``(N, 2)`` int64: x and y of each square's top left, in pixels of ``grid``.
        size_px: Side likewise.
        pool: Threads to decode in.

    Returns:
        ``(N, size_px, size_px)`` uint8; 255 where nobody assessed and outside the label.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    tiles = np.full((len(origins_px), size_px, size_px), NOT_ASSESSED, np.uint8)
    if not len(tiles):
        return tiles
    own, reader = label.grid(), label.reader
    columns = _under_centres(origins_px[:, 0], size_px, grid.downsample_x / own.downsample_x)
    rows = _under_centres(origins_px[:, 1], size_px, grid.downsample_y / own.downsample_y)
    corners = np.stack([columns[:, 0], rows[:, 0]], 1)
    span = Size(*(int(np.ptp(places, axis=1).max()) + 1 for places in (columns, rows)))
    rows, columns = rows - corners[:, 1:], columns - corners[:, :1]

    def use(chunk: Chunk, data: bytes | None, parts: list[Part]) -> None:
        if data is None:
            return
        values = reader.decode(chunk, data)
        for tile, to_y, to_x, y, x, height, width in parts:
            top, bottom = np.searchsorted(rows[tile], [to_y, to_y + height])
            left, right = np.searchsorted(columns[tile], [to_x, to_x + width])
            found = values[y - to_y + rows[tile, top:bottom]]
            tiles[tile, top:bottom, left:right] = found[:, x - to_x + columns[tile, left:right]]

    use_chunks(reader.compressed, ChunkPlan.of(reader.layout, corners, span), lambda: use, pool)
    return tiles


def _under_centres(starts_px: NDArray[np.int64], count: int, ratio: float) -> NDArray[np.int64]:
    """Which pixels of another raster lie under the centres of a run of pixels, ``(N, count)``.

    Args:
        starts_px: ``(N,)``: the first of each run.
        count: Pixels in a run.
        ratio: Pixels of the other raster per pixel.
    """
    centres = starts_px[:, None] + (np.arange(count) + 0.5)
    return np.floor(centres * ratio).astype(np.int64)
