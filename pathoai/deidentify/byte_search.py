"""Looks through files for words as bytes: plain, in UTF-16 of both orders and in base64."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

_CHUNK_BYTES = 8 * 2**20


class ByteSearch:
    """Patterns of words, ready to be looked for.

    Two bytes at a time are looked up in a table first, so that a slide of gigabytes is read at
    about the speed of the disk, however many words there are.

    Args:
        words: At least four characters each.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Encode the words."""
        self._by_head: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for word in words:
            for pattern in _patterns(word):
                self._by_head[pattern[:4]].add(pattern)
        heads = np.frombuffer(b"".join(self._by_head), np.uint8).reshape(-1, 2, 2)
        self._first, self._second = np.zeros(65536, np.bool_), np.zeros(65536, np.bool_)
        self._first[heads[:, 0].view("<u2")] = True
        self._second[heads[:, 1].view("<u2")] = True
        self._longest = max((len(p) for ps in self._by_head.values() for p in ps), default=0)

    def occurs_in(self, path: Path) -> bool:
        """True where a word stands in the file, or in its name.

        Raises:
            OSError: The file cannot be read.
        """
        if self._in_chunk(path.name.encode()):
            return True
        kept = b""
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                kept += chunk
                if self._in_chunk(kept):
                    return True
                # What begins here may go on in the next chunk.
                kept = kept[-self._longest :] if self._longest else b""
        return False

    def _in_chunk(self, data: bytes) -> bool:
        if len(data) < 4 or not self._by_head:
            return False
        raw = np.frombuffer(data, np.uint8).astype(np.uint16)
        pairs = raw[:-1] | (raw[1:] << 8)
        starts = np.flatnonzero(self._first[pairs[:-2]])
        starts = starts[self._second[pairs[starts + 2]]]
        return any(
            data.startswith(pattern, start)
            for start in starts.tolist()
            for pattern in self._by_head.get(data[start : start + 4], ())
        )


def _patterns(word: str) -> set[bytes]:
    plain = {word.encode(), word.encode("latin-1", "replace")}
    coded = {p for each in plain for p in _base64(each)}
    return {*plain, word.encode("utf-16-le"), word.encode("utf-16-be"), *coded}


def _base64(data: bytes) -> set[bytes]:
    """As it stands in base64 of a longer text, at each of the three places it can begin at."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        # The first and last signs depend on what stands beside it.
        begin = (before * 8 + 5) // 6
        end = (before + len(data)) * 8 // 6
        if end - begin >= 6:
            found.add(whole[begin:end])
    return found
