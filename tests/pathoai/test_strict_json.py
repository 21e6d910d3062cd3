"""JSON from outside means one thing, or is refused by an error of ours that repeats no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.strict_json import parse_json, read_json, read_json_lines

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Halves of characters are no text.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values, st.booleans(), st.booleans())
def test_sound_json_is_read_as_python_reads_it(
    value: object, ascii_only: bool, foreign: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text, "x", foreign=foreign) == value
    assert parse_json(text.encode("utf8"), "x") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"tier": "open", "tier": "internal"}', "the key tier twice"),
        ('[{"a": {"@context": 1, "b": 2, "@context": 3}}]', "the key @context twice"),
        ('{"Marie Dupont": 1, "Marie Dupont": 2}', "a key twice"),
        ('{"\\u0061": 1, "a": 2}', "the key a twice"),
        ("[" * 200_000, "more than 100 levels"),
        ('{"a":' * 200_000, "more than 100 levels"),
        ("[" * 101 + "]" * 101, "more than 100 levels"),
        (b'"\xff"', "no UTF-8"),
        ('"\\ud800"', "no UTF-8"),
        ('{"\\udfff": 1}', "no UTF-8"),
        ("[1] [2]", "Extra data"),
        ("", "Expecting value"),
        ("9" * 5000, "integer"),
    ],
    ids=lambda text: str(text)[:12],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_what_parsers_read_differently_or_not_at_all_is_refused(
    text: str | bytes, said: str, foreign: bool
) -> None:
    with pytest.raises(
        InvalidValueError, match=f"^here: not sound JSON; found .*{said}"
    ) as refusal:
        parse_json(text, "here", foreign=foreign)
    assert "Marie" not in str(refusal.value)


def test_a_hundred_levels_and_pairs_of_halves_are_sound() -> None:
    deep = "[" * 100 + "]" * 100
    assert parse_json(deep, "x") == json.loads(deep)
    assert parse_json('"\\ud83d\\ude00"', "x") == "\U0001f600"


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[-Infinity]", '{"a": 1, "a": 1}'])
def test_what_other_programs_write_is_taken_from_them_alone(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_json(text, "x")
    assert str(parse_json(text, "x", foreign=True)) == str(json.loads(text))


@pytest.mark.parametrize("pair", [("1", "true"), ("[1]", "[1.0]"), ("NaN", "null"), ('"1"', "1")])
def test_a_key_twice_with_two_values_is_refused_of_anybody(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidValueError, match="with two values"):
        parse_json('{{"a": {}, "a": {}}}'.format(*pair), "x", foreign=True)


def test_files_and_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": 1, "a": 2}\n', "utf8")
    found: list[Any] = []
    with pytest.raises(InvalidValueError, match=r"^a\.jsonl line 2: "):
        found.extend(read_json_lines(path))
    with pytest.raises(InvalidValueError, match=r"^a\.jsonl: "):
        read_json(path)
    path.write_text('{"a": 1}\n', "utf8")
    assert read_json(path) == {"a": 1}
    assert list(read_json_lines(path)) == [{"a": 1}]
