"""Compressed members decoded as their bytes come by: a piece in memory at a time.

A decoder is begun where bytes look like the beginning of a member. Where they only looked so, it
ends at the first byte that does not fit.
"""

from __future__ import annotations

import binascii
import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Protocol

PIECE = 1 << 16
_STEP = 1 << 14


class Unreadable(Exception):
    """A member is there and cannot be read: it is encrypted, too large, or of another method."""


class Decoder(Protocol):
    """What a member's bytes are given to."""

    done: bool
    """Nothing more comes of it."""

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """The decoded pieces that follow from more bytes.

        Raises:
            Unreadable: See there.
        """
        ...


class Inflated:
    """Deflate, bare or within gzip or zlib.

    Args:
        wbits: As `zlib` takes it.
    """

    def __init__(self, wbits: int) -> None:
        """Begin."""
        self.done = False
        self._stream = zlib.decompressobj(wbits=wbits)

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        for at in range(0, len(data), _STEP):
            waiting: bytes | memoryview = data[at : at + _STEP]
            while not self.done:
                try:
                    piece = self._stream.decompress(waiting, PIECE)
                except zlib.error:
                    self.done = True
                    return
                yield piece
                waiting = self._stream.unconsumed_tail
                self.done = self._stream.eof
                if not waiting and len(piece) < PIECE:
                    break
            if self.done:
                return


class Expanded:
    """Members of bzip2 and xz.

    Args:
        stream: Decoder of the standard library.
    """

    def __init__(self, stream: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        """Begin."""
        self.done = False
        self._stream = stream

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        waiting = bytes(data)
        try:
            while not self._stream.eof:
                yield self._stream.decompress(waiting, PIECE)
                waiting = b""
                if self._stream.needs_input:
                    return
        except (OSError, lzma.LZMAError):
            pass
        self.done = True


class ZipMember:
    """A member of a zip file, from its own header on; the directory at the end is not needed."""

    _DEFLATED = 8
    _SEEN_ELSEWHERE = frozenset((0, 12, 20, 93, 95))
    """Stored, or of a method whose own beginning is known: bzip2, Zstandard, xz."""

    def __init__(self) -> None:
        """Begin."""
        self.done = False
        self._head = b""
        self._inflated: Inflated | None = None

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        if self._inflated is None:
            self._head += bytes(data)
            if len(self._head) < 30:
                return
            flags, method = struct.unpack_from("<HH", self._head, 6)
            if flags & 1 or method not in {self._DEFLATED, *self._SEEN_ELSEWHERE}:
                self.done = True
                raise Unreadable
            if method != self._DEFLATED:
                self.done = True
                return
            start = 30 + sum(struct.unpack_from("<HH", self._head, 26))
            if len(self._head) < start:
                return
            self._inflated, data = Inflated(-15), memoryview(self._head)[start:]
        yield from self._inflated.feed(data)
        self.done = self._inflated.done


class Base64Text:
    """What a ``data:`` address holds in a page or a drawing."""

    _BEGIN = len(b";base64,")
    _OTHER = re.compile(rb"[^A-Za-z0-9+/=\s]")

    def __init__(self) -> None:
        """Begin."""
        self.done = False
        self._left = self._BEGIN
        self._kept = b""

    def feed(self, data: memoryview) -> Iterator[bytes]:
        """See `Decoder`."""
        data, self._left = data[self._left :], max(0, self._left - len(data))
        for at in range(0, len(data), PIECE):
            piece = bytes(data[at : at + PIECE])
            if end := self._OTHER.search(piece):
                piece, self.done = piece[: end.start()], True
            text = self._kept + b"".join(piece.split())
            whole = len(text) // 4 * 4
            self._kept = text[whole:]
            try:
                yield binascii.a2b_base64(text[:whole])
            except binascii.Error:
                self.done = True
            if self.done:
                return
