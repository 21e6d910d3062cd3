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
    """One buffer of Blosc 1, which holds its own size; its bytes may be shuffled."""

    _HEADER = 16
    _LARGEST = 2**26
    """Of what is no buffer, fewer look like a small one."""

    def __init__(self) -> None:
        """Begin."""
        self.done = False
        self._data = bytearray()

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        missing = max(0, self._HEADER - len(self._data))
        self._data += data[:missing]
        if len(self._data) < self._HEADER:
            return
        typesize, full, block, packed = struct.unpack_from("<xxxBIII", self._data)
        fits = self._HEADER < packed <= full + self._HEADER <= self._LARGEST
        if not (fits and typesize and 0 < block <= full):
            self.done = True
            return
        self._data += data[missing : missing + packed - len(self._data)]
        if len(self._data) == packed:
            self.done = True
            yield from _decoded_blosc(bytes(self._data))


def _decoded_blosc(buffer: bytes) -> Iterator[bytes]:
    import imagecodecs

    try:
        yield bytes(imagecodecs.blosc_decode(buffer))
    except (RuntimeError, ValueError):
        return
