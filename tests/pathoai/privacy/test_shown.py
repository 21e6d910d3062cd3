"""What tables and messages may repeat of what a user wrote."""

from __future__ import annotations

import pytest

from pathoai.privacy.pseudonym import coded_term, is_code
from pathoai.privacy.shown import shown

_KEY = bytes(range(32))


@pytest.mark.parametrize("term", ["", "NanoZoomer S360", "Pannoramic 1000", "AE1AE3", "batch 12"])
def test_a_kind_of_thing_stays_as_it_is(term: str) -> None:
    assert coded_term(_KEY, term) == term


@pytest.mark.parametrize("term", ["SN 990871", "2023-04-12", "22H04417-A1", "0612345678"])
def test_what_says_which_thing_is_coded(term: str) -> None:
    coded = coded_term(_KEY, term)
    assert is_code(coded)
    assert coded == coded_term(_KEY, term) != coded_term(_KEY[::-1], term)


def test_keys_and_codes_are_shown_and_names_are_not() -> None:
    assert shown("in_situ") == "in_situ"
    assert shown("0123456789ABCDEF") == "0123456789ABCDEF"
    for text in ("MARTINEAU", "Martineau Odile", "2470375116001", "odile@example.org"):
        assert shown(text) == f"a text of {len(text)} characters"
