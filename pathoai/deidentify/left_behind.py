"""What a copy leaves behind: counted by kind, and remembered so that it can be looked for.

The values never leave this object but as patterns of a search; reports get kinds and counts alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

SHORTEST = 6
"""Characters. Shorter words occur in compressed pixels by chance: at 6 bytes, once in 280 TB."""
_MOST_BYTES = 4 * 2**20
"""Of one value. Longer ones are left behind all the same; their end is not looked for."""
_UTF_8 = rb"[\xc2-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}"
_PRINTABLE = re.compile(rb"(?:[\x20-\x7e\t\r\n]|" + _UTF_8 + rb"){6,}")
_WIDE_PRINTABLE = re.compile(rb"(?:[\x20-\x7e]\x00){6,}")
_BETWEEN_WORDS = re.compile(r"[\s|;=<>\"',^&()\[\]{}/\\]+")

_SIGNS = "CDEFGHIJSTUVWXYZcdefghijstuvwxyz"
_OF_EVERY_JPEG = f"%&'()*456789:{_SIGNS} &'()*56789:{_SIGNS}"
"""What the usual Huffman tables (T.81, K.3.3) look like as text."""


class LeftBehind:
    """Collects what is not copied."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._counts: Counter[str] = Counter()
        self._words: set[str] = set()

    def drop(self, kind: str, value: bytes | str = b"") -> None:
        """Something is not copied.

        Args:
            kind: What it was, in words of ours: ``TIFF tag 305``; shown in the report.
            value: What it said; looked for in the copy.
        """
        self._counts[kind] += 1
        for text in [value] if isinstance(value, str) else _texts(value[:_MOST_BYTES]):
            self._words.update(_words(text))

    @property
    def counts(self) -> dict[str, int]:
        """How many things of each kind, in the order of their names."""
        return dict(sorted(self._counts.items()))

    def words(self, *, allowed: Iterable[str]) -> set[str]:
        """What must not occur in the copy.

        Args:
            allowed: Texts of ours that the copy does hold: words within them prove nothing.
        """
        ours = "\n".join([_OF_EVERY_JPEG, *allowed]).casefold()
        return {word for word in self._words if word.casefold() not in ours}


def _texts(data: bytes) -> list[str]:
    narrow = [run.decode("utf-8", "replace") for run in _PRINTABLE.findall(data)]
    wide = [run.decode("utf-16-le") for run in _WIDE_PRINTABLE.findall(data)]
    return narrow + wide


def _words(text: str) -> set[str]:
    parts = {text.strip(" \0\r\n\t"), *_BETWEEN_WORDS.split(text)}
    # A run of one sign says nothing, and occurs in padding.
    return {part for part in parts if len(part) >= SHORTEST and len(set(part)) > 1}
