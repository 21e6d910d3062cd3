"""Bytes that come by, looked through together with what is compressed within them."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pathoai.byte_search.decoders import (
    Base64Text,
    Decoder,
    Expanded,
    Inflated,
    Unreadable,
    ZipMember,
)
from pathoai.byte_search.frames import BloscBuffer, ZstdFrame
from pathoai.byte_search.words import Words

_DEEPEST = 4
"""A zip in a zip in a zip in a zip."""
_BEGINNINGS: tuple[tuple[bytes, Callable[[], Decoder]], ...] = (
    (b"\x1f\x8b\x08", lambda: Inflated(31)),
    *((b"\x78" + level, lambda: Inflated(15)) for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    (b"PK\x03\x04", ZipMember),
    (b"\x28\xb5\x2f\xfd", ZstdFrame),
    (b"\x02\x01", BloscBuffer),
    (b"BZh", lambda: Expanded(bz2.BZ2Decompressor())),
    (b"\xfd7zXZ\x00", lambda: Expanded(lzma.LZMADecompressor())),
    (b";base64,", Base64Text),
)
_LONGEST_BEGINNING = max(len(begin) for begin, _ in _BEGINNINGS)


@dataclass
class Sight:
    """What is seen of one file.

    Args:
        budget: Bytes that may still be decoded, so that a small file cannot keep a search for ever.
        found: Numbers of the words that stand in it.
        whole: Everything that could hide a word was looked through.
    """

    budget: int
    found: set[int] = field(default_factory=set)
    whole: bool = True


class SearchStream:
    """One stream of bytes: a file, or a member that was decoded from it.

    Args:
        words: What to look for.
        sight: Told of what is found.
        depth: How many members it lies within.
    """

    def __init__(self, words: Words, sight: Sight, depth: int = 0) -> None:
        """Begin."""
        self._words = words
        self._sight = sight
        self._depth = depth
        self._tail = b""
        self._seen = 0
        """Bytes of the tail."""
        self._members: list[tuple[Decoder, SearchStream]] = []

    def feed(self, data: bytes) -> None:
        """Look through the next bytes."""
        view = memoryview(data)
        self._pass_on(view)
        whole = self._tail + data
        self._sight.found |= self._words.found_in(whole, seen=self._seen)
        if self._depth < _DEEPEST:
            self._begin(whole)
        self._seen = min(len(whole), self._words.reach)
        self._tail = whole[len(whole) - self._seen :]

    def close(self) -> None:
        """Nothing follows."""
        self._sight.found |= self._words.found_in(self._tail, seen=self._seen, ends=True)
        for _, inside in self._members:
            inside.close()
        self._members = []

    def _begin(self, data: bytes) -> None:
        """Begin a decoder wherever a member may begin that was not seen before."""
        for begin, decoder in _BEGINNINGS:
            # A beginning may lie across what was there before and what came.
            at = data.find(begin, max(0, self._seen - len(begin) + 1))
            while at >= 0:
                member = (decoder(), SearchStream(self._words, self._sight, self._depth + 1))
                self._members.append(member)
                self._pass_on_to(member, memoryview(data)[at:])
                at = data.find(begin, at + 1)
        self._drop_ended()

    def _pass_on(self, data: memoryview) -> None:
        for member in self._members:
            self._pass_on_to(member, data)
        self._drop_ended()

    def _pass_on_to(self, member: tuple[Decoder, SearchStream], data: memoryview) -> None:
        decoder, inside = member
        try:
            for piece in _within(decoder.feed(data), self._sight):
                inside.feed(piece)
        except Unreadable:
            self._sight.whole = False
        if self._sight.budget < 0:
            decoder.done = True

    def _drop_ended(self) -> None:
        ended = [member for member in self._members if member[0].done]
        for _, inside in ended:
            inside.close()
        if ended:
            self._members = [member for member in self._members if not member[0].done]


def _within(pieces: Iterator[bytes], sight: Sight) -> Iterator[bytes]:
    """The pieces, as long as the budget lasts."""
    for piece in pieces:
        sight.budget -= len(piece)
        if sight.budget < 0:
            sight.whole = False
            return
        yield piece
