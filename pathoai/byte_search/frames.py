"""Zstandard frames and Blosc buffers: as inner chunks of Zarr shards, gathered and then decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pathoai.byte_search.decoders import PIECE, Unreadable

_LARGEST_FRAME = 2**28
"""Compressed bytes that are held in memory."""


class ZstdFrame:
    """One frame of Zstandard (RFC 8878): blocks are counted until the last, then all is decoded."""

    _LARGEST_BLOCK = 1 << 17
    _LONGEST_HEADER = 9
    _NO_KIND = 3

    def __init__(self) -> None:
        """Begin."""
        self.done = False
        self._data = bytearray()
        self._block = 0
        self._end = 0

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`.

        Raises:
            Unreadable: The frame is too large.
        """
        self._data += data
        if len(self._data) < self._LONGEST_HEADER:
            return
        if not self._block:
            self._block = self._header_bytes()
        self._walk()
        if not self.done and self._end and len(self._data) >= self._end:
            self.done = True
            yield from _decoded_zstd(bytes(self._data[: self._end]))
        elif not self.done and len(self._data) > _LARGEST_FRAME:
            self.done = True
            raise Unreadable

    def _walk(self) -> None:
        """From block to block until the last."""
        while not (self.done or self._end) and self._block + 3 <= len(self._data):
            block = int.from_bytes(self._data[self._block : self._block + 3], "little")
            kind, size = block >> 1 & 3, block >> 3
            if kind == self._NO_KIND or size > self._LARGEST_BLOCK:
                self.done = True  # it only looked like a frame
            self._block += 3 + (1 if kind == 1 else size)
            if block & 1:
                self._end = self._block + (4 if self._data[4] & 4 else 0)

    def _header_bytes(self) -> int:
        flags = self._data[4]
        self.done = bool(flags & 8)
        single = flags >> 5 & 1
        sizes = (single, 2, 4, 8)[flags >> 6] + (0, 1, 2, 4)[flags & 3]
        return 5 + (1 - single) + sizes


def _decoded_zstd(frame: bytes) -> Iterator[bytes]:
    """The content, a piece at a time."""
    import pyarrow

    try:
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(frame), "zstd") as stream:
            while piece := stream.read(PIECE):
                yield piece
    except OSError:
        return


class BloscBuffer:
    """One buffer of Blosc 1, which holds its own size; its bytes may be shuffled.

    Two bytes begin it, so numbers in an array often look like one. What its header and its table of
    blocks say (README_CHUNK_FORMAT of c-blosc) must fit before more of it is kept in memory.
    """

    _HEADER, _PLACE = 16, 4
    _LARGEST = 2**26
    _SMALLEST_BLOCK = 128
    _COPIED, _COMPRESSORS = 2, 5
    """Flag of what did not shrink; kinds of compression, in the highest three bits."""

    def __init__(self) -> None:
        """Begin."""
        self.done = False
        self._data = bytearray()
        self._packed = 0
        self._table_end = 0

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        data = self._keep(data, self._HEADER + self._PLACE)
        if not self._packed and len(self._data) == self._HEADER + self._PLACE:
            self._read_header()
        data = self._keep(data, min(self._table_end, self._packed))
        if not self.done and self._table_end and len(self._data) == self._table_end:
            self._check_table()
        if self.done:
            return
        self._keep(data, self._packed)
        if self._packed and len(self._data) == self._packed:
            self.done = True
            yield from _decoded_blosc(bytes(self._data))

    def _keep(self, data: memoryview, until: int) -> memoryview:
        """Keep bytes until there are as many; the rest is given back."""
        missing = 0 if self.done else max(0, until - len(self._data))
        self._data += data[:missing]
        return data[missing:]

    def _read_header(self) -> None:
        flags, typesize, full, block, packed, first = struct.unpack_from("<xxBBIIII", self._data)
        fits = len(self._data) <= packed <= full + self._HEADER <= self._LARGEST
        fits = fits and typesize > 0 and 0 < block <= full
        if fits and flags & self._COPIED:
            fits = packed == full + self._HEADER
        elif fits:
            blocks = -(-full // block)
            self._table_end = self._HEADER + self._PLACE * blocks
            fits = blocks == 1 or block >= self._SMALLEST_BLOCK
            fits = fits and flags >> 5 < self._COMPRESSORS and self._table_end <= first < packed
        self._packed, self.done = packed, not fits

    def _check_table(self) -> None:
        """Blocks lie in the order in which threads ended, from the end of the table on."""
        blocks = (self._table_end - self._HEADER) // self._PLACE
        starts = struct.unpack_from(f"<{blocks}I", self._data, self._HEADER)
        whole = min(starts) == self._table_end and max(starts) < self._packed
        self.done = not whole or len(set(starts)) < len(starts)
        self._table_end = 0


def _decoded_blosc(buffer: bytes) -> Iterator[bytes]:
    import imagecodecs

    try:
        yield bytes(imagecodecs.blosc_decode(buffer))
    except (RuntimeError, ValueError):
        return
