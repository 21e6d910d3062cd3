"""In which spellings and codings a word is found, and where it is not taken for one."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from pathoai.byte_search.word_forms import spellings
from pathoai.byte_search.words import Words
from pathoai.errors import InvalidValueError

_NAME = "LÉTOURNEAU Zoé"
_BEFORE, _AFTER = "the slide of ", " was cut, stained, and read at once"


def _found(data: bytes, *words: str) -> set[int]:
    return Words(words).found_in(data, ends=True)


_CODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "Latin-1": lambda text: text.encode("latin-1"),
    "UTF-16, little end first": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be"),
    "JSON": lambda text: json.dumps(text).encode(),
    "HTML, numbers": lambda text: text.encode("ascii", "xmlcharrefreplace"),
    "HTML, hex": lambda text: text.replace("é", "&#xE9;").replace("É", "&#xC9;").encode(),
    "HTML, names": lambda text: text.replace("é", "&eacute;").replace("É", "&Eacute;").encode(),
    "HTML, signs": lambda text: html.escape(text).encode(),
    "URL": lambda text: quote(text).encode(),
    "form": lambda text: quote_plus(text).encode(),
    "mail": lambda text: quopri.encodestring(text.encode()),
    "hex": lambda text: text.encode().hex().encode(),
    "hex of UTF-16, as in PDF": lambda text: text.encode("utf-16-be").hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 in lines": lambda text: base64.encodebytes(text.encode() * 3),
    "base64 of Latin-1": lambda text: base64.b64encode(text.encode("latin-1")),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")),
    "base64 for a URL": lambda text: base64.urlsafe_b64encode(text.encode()),
}


@pytest.mark.parametrize("coding", _CODINGS)
@pytest.mark.parametrize("shift", range(3))
def test_a_word_is_found_in_every_coding(coding: str, shift: int) -> None:
    code = _CODINGS[coding]
    assert _found(code("x" * shift + _BEFORE + _NAME + _AFTER), _NAME) == {0}
    assert _found(code("x" * shift + _BEFORE + "nobody" + _AFTER), _NAME) == set()


@pytest.mark.parametrize(
    "written",
    [
        "létourneau zoé",
        "LETOURNEAU Zoe",
        "Letourneau_zoe",
        "LÉTOURNEAU^ZOÉ",
        "Le\u0301tourneau-Zoe\u0301",
        "letourneauzoe",
        "LÉTOURNEAU, Zoé",
    ],
)
def test_a_name_is_found_as_people_and_programs_write_it(written: str) -> None:
    assert _found(f"{_BEFORE}{written}{_AFTER}".encode(), _NAME) == {0}


@pytest.mark.parametrize("given", ["1947-03-21", "21/03/1947", "19470321"])
def test_a_day_is_found_in_every_spelling(given: str) -> None:
    assert {"1947-03-21", "1947:03:21", "19470321", "21/03/1947", "21.03.1947"} <= spellings(given)
    for written in spellings(given):
        assert _found(f"born {written}, in".encode(), given) == {0}


def test_a_thirteenth_month_is_no_day() -> None:
    assert "2013-47-99" in spellings("2013-47-99")


def test_a_number_in_a_longer_number_or_a_hash_is_none() -> None:
    number = "80042133"
    assert _found(b"IPP80042133.", number) == {0}
    assert _found(b"IPP80042133", number) == {0}
    assert _found(b"0.1280042133,", number) == set()
    assert _found(b"sha256:" + b"ab" * 14 + b"80042133" + b"cd" * 14, number) == set()


def test_a_short_word_counts_in_running_text_alone() -> None:
    assert _found(b"seen by Dr Roux on a day of rain", "Roux") == {0}
    assert _found(b"Roux", "Roux") == {0}
    assert _found(b"\x80\x01\x02\x03Roux\x00\x01\x02\x03" + bytes(30), "Roux") == set()
    assert _found(b"the town of Chateauroux, and others of it", "Roux") == set()


@pytest.mark.parametrize("word", ["Roy", "12345", "  a "])
def test_a_word_that_is_too_short_is_refused_by_its_number(word: str) -> None:
    with pytest.raises(InvalidValueError, match="word 2") as caught:
        Words(["long enough", word])
    assert word not in str(caught.value)


def test_each_word_is_told_by_its_number() -> None:
    text = b"Martineau and Quenneville, of 1947-03-21"
    assert _found(text, "Quenneville", "Nobody", "21/03/1947", "Martineau") == {0, 2, 3}
