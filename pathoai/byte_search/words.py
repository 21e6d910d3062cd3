"""Words, and where they stand in a run of bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pathoai.byte_search.patterns import BytePatterns
from pathoai.byte_search.word_forms import base64_forms, coded_forms, plain_forms, spellings
from pathoai.errors import InvalidValueError

SHORTEST = 4
"""Characters of a word that can be looked for."""
_SHORTEST_NUMBER = 6
_SHORT = 6
"""Characters. Shorter ones occur in pixels by chance, and count in running text alone."""
_ABOUT = 24
"""Bytes on each side of a word that are looked at."""
_LETTERS_BESIDE = 8
"""Signs of hex beside a word that are no hash yet: ``DEC8004213377``."""
_TEXT = 20
"""Bytes of running text: random bytes hold as many printable ones once in 10⁸."""
_DIGITS = frozenset(b"0123456789")
_HEX = frozenset(b"0123456789abcdef")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_PRINTABLE = frozenset((*range(0x20, 0x7F), *b"\t\r\n", *range(0xA0, 0x100)))


class Words:
    """Words in all their forms; each is known by its number.

    Letters may be small or capital. A number counts where no further digit stands beside it; what
    could be a part of a hash counts only outside of one. Words of four and five characters count
    in running text, as words of their own.

    Args:
        words: At least four characters each, six where all are digits.

    Raises:
        InvalidValueError: A word is shorter; the error gives its number, not the word.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Spell the words."""
        self._folded: defaultdict[bytes, set[int]] = defaultdict(set)
        self._exact: defaultdict[bytes, set[int]] = defaultdict(set)
        self._plain: set[bytes] = set()
        for number, word in enumerate(words):
            _check(number, word)
            for spelt in spellings(word):
                plain = plain_forms(spelt)
                self._plain |= plain
                for form in plain | coded_forms(spelt):
                    self._folded[form].add(number)
                for form in base64_forms(spelt):
                    self._exact[form].add(number)
        self._any_case = BytePatterns(self._folded)
        self._one_case = BytePatterns(self._exact)
        self.reach = max(self._any_case.longest, self._one_case.longest) + 2 * _ABOUT
        """Bytes at the end of a run in which a word may have begun that is not judged yet."""

    def found_in(self, data: bytes, *, seen: int = 0, ends: bool = False) -> set[int]:
        """Numbers of the words that stand in a run of bytes.

        Args:
            data: The run, beginning with the last `reach` bytes of the run before.
            seen: How many bytes of it were in the run before, too.
            ends: Nothing follows, so what stands at the very end is judged as well.
        """
        small = data.lower()
        found: set[int] = set()
        for at, form in self._any_case.occur_in(small):
            numbers = self._folded[form]
            if numbers <= found:
                continue
            end = at + len(form)
            if form in self._plain:
                judged = end + _ABOUT <= seen
                if judged or not (ends or end + _ABOUT <= len(data)):
                    continue  # it came by with what is before it, or will with what follows
                if not _stands(small, at, end):
                    continue
            found |= numbers
        for _, form in self._one_case.occur_in(data):
            found |= self._exact[form]
        # Long lines of base64 are broken.
        if b"\n" in data:
            for _, form in self._one_case.occur_in(data.translate(None, b"\r\n")):
                found |= self._exact[form]
        return found


def _stands(data: bytes, begin: int, end: int) -> bool:
    """True where it is no part of a number or a hash, nor a chance of pixels."""
    word = data[begin:end]
    before, after = data[max(0, begin - _ABOUT) : begin], data[end : end + _ABOUT]
    if _DIGITS.issuperset(word) and _beside(_DIGITS, before, after):
        return False
    if _HEX.issuperset(word) and _around(_HEX, before, after) > len(word) + _LETTERS_BESIDE:
        return False
    if len(word) >= _SHORT:
        return True
    if _beside(_LETTERS, before, after):
        return False
    return _around(_PRINTABLE, before, after) + len(word) >= min(_TEXT, len(data))


def _check(number: int, word: str) -> None:
    digits = word.strip().isdigit()
    least = _SHORTEST_NUMBER if digits else SHORTEST
    if len(word.strip()) < least:
        raise InvalidValueError(
            "a word is too short to be looked for",
            where=f"word {number + 1}",
            found=f"{len(word.strip())} characters",
            allowed=f"at least {SHORTEST}, or {_SHORTEST_NUMBER} digits",
        )


def _beside(signs: frozenset[int], before: bytes, after: bytes) -> bool:
    return not signs.isdisjoint(before[-1:] + after[:1])


def _around(signs: frozenset[int], before: bytes, after: bytes) -> int:
    """How many bytes on both sides are such signs, without a gap."""
    return _run(signs, before[::-1]) + _run(signs, after)


def _run(signs: frozenset[int], data: bytes) -> int:
    return next((n for n, sign in enumerate(data) if sign not in signs), len(data))
