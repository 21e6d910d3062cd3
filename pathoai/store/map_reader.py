"""Reading the finest level of a label straight from its shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.header import LevelLayout


class MapReader:
    """The chunks of a class map, ``(chunk_px, chunk_px)`` uint8; absent ones nobody assessed.

    May be shared by threads and by forked processes: no file stays open.
    """

    def __init__(self, folder: Path, layout: LevelLayout, name: str) -> None:
        """For the array in ``folder``, called ``name`` in errors; nothing is read yet."""
        self.layout = layout
        self.compressed = CompressedChunks(folder, layout, name, axes=2)

    def decode(self, chunk: Chunk, data: bytes) -> NDArray[np.uint8]:
        """The values of a chunk.

        Raises:
            StoreError: The shard was damaged after it was written.
        """
        side = self.layout.chunk_px
        try:
            return self.layout.coding.decode(data, (side, side))
        except (ValueError, RuntimeError) as error:
            raise self.compressed.undecodable(chunk, str(error)) from error
