"""Many byte patterns looked for at once, at about the speed of a disk however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

_HEAD = 4


class BytePatterns:
    """Patterns, ready to be looked for.

    Two bytes at a time are looked up in a table first; what passes is looked up by four, and only
    then compared.

    Args:
        patterns: At least four bytes each; shorter ones are left out.
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """Make the tables."""
        by_head: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for pattern in patterns:
            if len(pattern) >= _HEAD:
                by_head[pattern[:_HEAD]].add(pattern)
        self._by_head = dict(by_head)
        pairs = np.frombuffer(b"".join(by_head), np.uint8).reshape(-1, 2, 2)
        self._first, self._second = np.zeros(65536, np.bool_), np.zeros(65536, np.bool_)
        self._first[pairs[:, 0].view("<u2")] = True
        self._second[pairs[:, 1].view("<u2")] = True
        self._heads = np.unique(np.frombuffer(b"".join(by_head), "<u4"))
        self.longest = max((len(p) for ps in by_head.values() for p in ps), default=0)

    def occur_in(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Every place at which a pattern begins, and the pattern."""
        if len(data) < _HEAD or not self._by_head:
            return
        raw = np.frombuffer(data, np.uint8).astype(np.uint16)
        pairs = raw[:-1] | (raw[1:] << 8)
        starts = np.flatnonzero(self._first[pairs[:-2]])
        starts = starts[self._second[pairs[starts + 2]]]
        heads = pairs[starts].astype(np.uint32) | (pairs[starts + 2].astype(np.uint32) << 16)
        for start in starts[np.isin(heads, self._heads)].tolist():
            for pattern in self._by_head[data[start : start + _HEAD]]:
                if data.startswith(pattern, start):
                    yield start, pattern
