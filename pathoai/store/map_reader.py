"""Reading a level of a plane of a label straight from its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.header import LevelLayout


class MapReader:
    """The chunks of a plane of a label, ``(…, chunk_px, chunk_px)``; absent ones hold ``absent``.

    May be shared by threads and by forked processes: no file stays open.
    """

    def __init__(
        self,
        folder: Path,
        layout: LevelLayout,
        name: str,
        *,
        lead: tuple[int, ...] = (),
        dtype: DTypeLike = np.uint8,
        absent: int = NOT_ASSESSED,
    ) -> None:
        """For the array in ``folder``, called ``name`` in errors; nothing is read yet.

        ``lead`` are the lengths of the axes before rows and columns: those of channels.
        """
        self.layout = layout
        self.compressed = CompressedChunks(folder, layout, name, axes=len(lead) + 2)
        self._lead = lead
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._absent = absent

    def decode(self, chunk: Chunk, data: bytes) -> NDArray[Any]:
        """The values of a chunk.

        Raises:
            StoreError: The shard was damaged after it was written.
        """
        side = self.layout.chunk_px
        shape = (*self._lead, side, side * self._dtype.itemsize)
        try:
            values = self.layout.coding.decode(data, shape)
        except (ValueError, RuntimeError) as error:
            raise self.compressed.undecodable(chunk, str(error)) from error
        return values.view(self._dtype)

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[Any]:
        """A part of the plane, ``(…, height, width)``; outside of it as where nothing is stored.

        Args:
            x_px: Left edge in pixels of the level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, likewise.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        out = self._empty(size_px)
        size = self.layout.size_px
        inside = out[..., : max(0, size.height - y_px), : max(0, size.width - x_px)]
        for chunk, data in self._stored(x_px, y_px, inside):
            self._paste(chunk, data, inside, x_px, y_px)
        return out

    def block(self, rows: slice, columns: slice) -> NDArray[Any] | None:
        """A block of the plane, as far as the plane goes; None where nothing of it is stored.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        size = self.layout.size_px
        height, width = min(rows.stop, size.height), min(columns.stop, size.width)
        out = self._empty(Size(width - columns.start, height - rows.start))
        stored = self._stored(columns.start, rows.start, out)
        for chunk, data in stored:
            self._paste(chunk, data, out, columns.start, rows.start)
        return out if stored else None

    def _empty(self, size_px: Size) -> NDArray[Any]:
        shape = (*self._lead, size_px.height, size_px.width)
        return np.full(shape, self._absent, self._dtype)

    def _stored(self, x_px: int, y_px: int, out: NDArray[Any]) -> list[tuple[Chunk, bytes]]:
        """The chunks that are stored of what ``out`` shows from a place on."""
        side, (height, width) = self.layout.chunk_px, out.shape[-2:]
        chunks = [
            (row, column)
            for row in range(max(0, y_px) // side, -(-(y_px + height) // side))
            for column in range(max(0, x_px) // side, -(-(x_px + width) // side))
        ]
        found = zip(chunks, self.compressed.read_many(chunks), strict=True)
        return [(chunk, data) for chunk, data in found if data is not None]

    def _paste(self, chunk: Chunk, data: bytes, out: NDArray[Any], x_px: int, y_px: int) -> None:
        side, (height, width) = self.layout.chunk_px, out.shape[-2:]
        top, left = chunk[0] * side - y_px, chunk[1] * side - x_px
        rows = slice(max(top, 0), min(top + side, height))
        columns = slice(max(left, 0), min(left + side, width))
        values = self.decode(chunk, data)
        out[..., rows, columns] = values[
            ..., rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
