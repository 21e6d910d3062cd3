"""Decoded chunks kept in memory up to a limit, the least recently used dropped first."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

DEFAULT_BYTES = 256 * 1024 * 1024
"""About 1,300 RGB chunks of 256 × 256: ten screens of full HD. napari itself keeps no tiles."""

ChunkKey = tuple[int, int, int]
"""Owner (one per level), row and column of a chunk."""


class ChunkCache:
    """A bounded cache, shared by the levels of one layer and by napari's threads."""

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        """An empty cache that holds at most ``limit_bytes`` of pixels."""
        self._limit = limit_bytes
        self._held = 0
        self._owners = 0
        self._chunks: OrderedDict[ChunkKey, NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels held now."""
        return self._held

    def new_owner(self) -> int:
        """A number that no other level uses in its keys."""
        with self._lock:
            self._owners += 1
            return self._owners

    def get(self, key: ChunkKey) -> NDArray[np.uint8] | None:
        """The chunk, or None where it is not held."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: ChunkKey, chunk: NDArray[np.uint8]) -> None:
        """Hold a chunk, at the expense of those not used for longest."""
        with self._lock:
            former = self._chunks.pop(key, None)
            self._held += chunk.nbytes - (former.nbytes if former is not None else 0)
            self._chunks[key] = chunk
            while self._held > self._limit and self._chunks:
                _, dropped = self._chunks.popitem(last=False)
                self._held -= dropped.nbytes
