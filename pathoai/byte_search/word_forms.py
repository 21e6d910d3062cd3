"""The ways in which one word may stand in a file.

A name is written with or without its accents, in capitals or not, with a space or a ``^`` between
its parts; a day as 1947-03-21, 19470321 or 21/03/1947. Each of these is written in UTF-8, Latin-1
or UTF-16, escaped for JSON, HTML, a URL or mail, in hex, or in base64.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

SHORTEST_CODED = 6
"""Characters. Shorter words are not looked for in hex and base64: hashes hold them by chance."""
_SHORTEST_BASE64 = 7
_JOINS = ("", " ", "-", "_", ".", "^", ", ", "  ", "\u00a0")
_BETWEEN = re.compile(r"[\s,^_]+")
_DAYS = (
    (re.compile(r"(\d{4})[-/.: ]?(\d{2})[-/.: ]?(\d{2})"), (1, 2, 3)),
    (re.compile(r"(\d{2})[-/. ](\d{2})[-/. ](\d{4})"), (3, 2, 1)),
)
_SPELT = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y:%m:%d", "%Y.%m.%d", "%d/%m/%Y")
_SPELT_BY_DAY = ("%d-%m-%Y", "%d.%m.%Y", "%d %m %Y", "%d%m%Y")


def spellings(word: str) -> set[str]:
    """The word as people and programs write it."""
    day = _day(word)
    if day is not None:
        return {day.strftime(spelt) for spelt in _SPELT + _SPELT_BY_DAY}
    parts = [part for part in _BETWEEN.split(word.strip()) if part]
    joined = (join.join(parts) for join in _JOINS) if len(parts) > 1 else ()
    return {form for text in (word.strip(), *joined) for form in _cased(text)}


def plain_forms(spelt: str) -> set[bytes]:
    """A spelling as plain text: in UTF-8 and Latin-1, of small letters."""
    return {data.lower() for data in _narrow(spelt)}


def coded_forms(spelt: str) -> set[bytes]:
    """A spelling as other bytes whose letters may be small or capital; given in small ones."""
    wide = {spelt.encode("utf-16-le"), spelt.encode("utf-16-be")}
    texts = {text for text in _escaped(spelt) if text.lower() != spelt.lower()}
    if len(spelt) >= SHORTEST_CODED:
        texts |= {data.hex() for data in (*_narrow(spelt), *wide)}
    return {data.lower() for data in (*wide, *(text.encode() for text in texts))}


def base64_forms(spelt: str) -> set[bytes]:
    """A spelling within base64 of a longer text, of both alphabets."""
    if len(spelt) < SHORTEST_CODED:
        return set()
    texts = {*_narrow(spelt), spelt.encode("utf-16-le")}
    both = {form for data in texts for form in base64_at_any_place(data)}
    return both | {form.replace(b"+", b"-").replace(b"/", b"_") for form in both}


def _day(word: str) -> date | None:
    for pattern, (year, month, day) in _DAYS:
        if match := pattern.fullmatch(word.strip()):
            try:
                return date(int(match[year]), int(match[month]), int(match[day]))
            except ValueError:
                continue
    return None


def _cased(text: str) -> set[str]:
    """In small letters and capitals; with composed accents, decomposed ones, and without."""
    apart = unicodedata.normalize("NFD", text)
    bare = "".join(sign for sign in apart if not unicodedata.combining(sign))
    forms = {unicodedata.normalize("NFC", text), apart, bare}
    return {cased for form in forms for cased in (form, form.lower(), form.upper(), form.title())}


def _narrow(text: str) -> set[bytes]:
    try:
        return {text.encode(), text.encode("latin-1")}
    except UnicodeEncodeError:
        return {text.encode()}


def _escaped(text: str) -> Iterator[str]:
    yield html.escape(text)
    for entity in ("&#{};", "&#x{:x};"):
        yield _but_ascii(html.escape(text), entity.format)
    yield _but_ascii(html.escape(text), _named)
    yield _but_ascii(text, r"\u{:04x}".format)
    # Python escapes below 256 in another way, e.g. in the repr of bytes and of texts.
    yield _but_ascii(text, r"\x{:02x}".format)
    for data in _narrow(text):
        yield quote(data, safe="")
        yield quote_plus(data)
        yield quote(data, safe=" ").replace("%", "=")


def _but_ascii(text: str, escape: object) -> str:
    assert callable(escape)
    return "".join(sign if sign.isascii() else escape(ord(sign)) for sign in text)


def _named(code: int) -> str:
    return f"&{codepoint2name[code]};" if code in codepoint2name else f"&#{code};"


def base64_at_any_place(data: bytes) -> set[bytes]:
    """Bytes as they stand in base64 of more, at each of the three places they can begin at."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        # The first and last signs depend on what stands beside it.
        begin = (before * 8 + 5) // 6
        end = (before + len(data)) * 8 // 6
        if end - begin >= _SHORTEST_BASE64:
            found.add(whole[begin:end])
    return found
