"""Reading the finest level of a label straight from its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.header import LevelLayout
from pathoai.store.level_reader import paste


class MapReader:
    """The chunks of a plane of a label, ``(chunk_px, chunk_px)``; absent ones hold ``absent``.

    May be shared by threads and by forked processes: no file stays open.
    """

    def __init__(
        self,
        folder: Path,
        layout: LevelLayout,
        name: str,
        *,
        dtype: DTypeLike = np.uint8,
        absent: int = NOT_ASSESSED,
    ) -> None:
        """For the array in ``folder``, called ``name`` in errors; nothing is read yet."""
        self.layout = layout
        self.compressed = CompressedChunks(folder, layout, name, axes=2)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._absent = absent

    def decode(self, chunk: Chunk, data: bytes) -> NDArray[Any]:
        """The values of a chunk.

        Raises:
            StoreError: The shard was damaged after it was written.
        """
        side = self.layout.chunk_px
        try:
            values = self.layout.coding.decode(data, (side, side * self._dtype.itemsize))
        except (ValueError, RuntimeError) as error:
            raise self.compressed.undecodable(chunk, str(error)) from error
        return values.view(self._dtype)

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[Any]:
        """A part of the plane, ``(height, width)``; outside of it as where nothing is stored.

        Args:
            x_px: Left edge in pixels of the level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, likewise.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        side, size = self.layout.chunk_px, self.layout.size_px
        out = np.full((size_px.height, size_px.width), self._absent, self._dtype)
        inside = out[: max(0, size.height - y_px), : max(0, size.width - x_px)]
        chunks = [
            (row, column)
            for row in range(max(0, y_px) // side, -(-(y_px + inside.shape[0]) // side))
            for column in range(max(0, x_px) // side, -(-(x_px + inside.shape[1]) // side))
        ]
        for chunk, data in zip(chunks, self.compressed.read_many(chunks), strict=True):
            if data is not None:
                row, column = chunk
                paste(self.decode(chunk, data), inside, column * side - x_px, row * side - y_px)
        return out
