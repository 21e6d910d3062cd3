"""Looks through a copy for the very words left behind: plain, in UTF-16 and in base64.

Letter by letter: these are texts of the slide as they stood, and short ones of another spelling
would occur in gigabytes of pixels by chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pathoai.byte_search.patterns import BytePatterns
from pathoai.byte_search.word_forms import base64_at_any_place

_CHUNK_BYTES = 8 * 2**20


class ByteSearch:
    """Patterns of words, ready to be looked for.

    Args:
        words: At least four characters each.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Encode the words."""
        self._patterns = BytePatterns({form for word in words for form in _forms(word)})

    def occurs_in(self, path: Path) -> bool:
        """True where a word stands in the file, or in its name.

        Raises:
            OSError: The file cannot be read.
        """
        if self._in_chunk(path.name.encode()):
            return True
        kept, longest = b"", self._patterns.longest
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                kept += chunk
                if self._in_chunk(kept):
                    return True
                # What begins here may go on in the next chunk.
                kept = kept[-longest:] if longest else b""
        return False

    def _in_chunk(self, data: bytes) -> bool:
        return next(self._patterns.occur_in(data), None) is not None


def _forms(word: str) -> set[bytes]:
    plain = {word.encode(), word.encode("latin-1", "replace")}
    coded = {form for data in plain for form in base64_at_any_place(data)}
    return {*plain, word.encode("utf-16-le"), word.encode("utf-16-be"), *coded}
