"""Reading one level of a store straight from its shards.

What zarr-python reads, at several times its speed: the way from a chunk's place to its bytes is one
look into the shard's index, and the codecs run without the GIL. Readers may be shared by threads
and by forked processes: no file stays open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.header import LevelLayout

WHITE = 255


class LevelReader:
    """The chunks of one level, ``(chunk_px, chunk_px, 3)`` uint8; absent ones are white."""

    def __init__(self, folder: Path, layout: LevelLayout, slide_id: str) -> None:
        """For the array in ``folder``; nothing is read yet."""
        self.compressed = CompressedChunks(folder, layout, slide_id)

    @property
    def layout(self) -> LevelLayout:
        """How the level is stored."""
        return self.compressed.layout

    def chunk(self, chunk: Chunk) -> NDArray[np.uint8] | None:
        """The pixels of a chunk, ``(chunk_px, chunk_px, 3)`` uint8; None where it is absent.

        Raises:
            StoreError: The shard was damaged after it was written, or the slide's own tile is.
        """
        data = self.compressed.read(chunk)
        return None if data is None else self._decoded(chunk, data)

    def _decoded(self, chunk: Chunk, data: bytes) -> NDArray[np.uint8]:
        side = self.layout.chunk_px
        return self.decode_top(chunk, data, np.empty((side, side, 3), np.uint8), side)

    def decode_top(
        self, chunk: Chunk, data: bytes, out: NDArray[np.uint8], rows: int
    ) -> NDArray[np.uint8]:
        """The first rows of a chunk, and perhaps more of them, ``(rows or more, chunk_px, 3)``.

        Args:
            chunk: Named in errors.
            data: Its bytes.
            out: ``(chunk_px, chunk_px, 3)`` uint8, contiguous: where they may be decoded to.
            rows: How many rows of pixels are needed.

        Raises:
            StoreError: The chunk cannot be decoded.
        """
        side = self.layout.chunk_px
        try:
            pixels = self.layout.coding.decode_top(data, out, rows)
        except (ValueError, RuntimeError) as error:
            raise self.compressed.undecodable(chunk, str(error)) from error
        if len(pixels) < rows or pixels.shape[1:] != (side, 3):
            raise self.compressed.undecodable(chunk, f"a picture of shape {pixels.shape}")
        return pixels

    def block(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """A block of pixels ``(h, w, 3)`` uint8; what lies past the level's edge is left out.

        Args:
            rows: Rows of pixels, from 0.
            columns: Columns likewise.
        """
        size, side = self.layout.size_px, self.layout.chunk_px
        bottom, right = min(rows.stop, size.height), min(columns.stop, size.width)
        out = np.full((bottom - rows.start, right - columns.start, 3), WHITE, np.uint8)
        for row in range(rows.start // side, -(-bottom // side)):
            for column in range(columns.start // side, -(-right // side)):
                pixels = self.chunk((row, column))
                if pixels is not None:
                    paste(pixels, out, column * side - columns.start, row * side - rows.start)
        return out


def paste(pixels: NDArray[Any], out: NDArray[Any], left: int, top: int) -> None:
    """Put pixels ``(h, w, …)`` into ``out`` at a place that may lie partly outside of it."""
    height, width = out.shape[:2]
    y0, y1 = max(top, 0), min(top + pixels.shape[0], height)
    x0, x1 = max(left, 0), min(left + pixels.shape[1], width)
    if y0 < y1 and x0 < x1:
        out[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
