"""JSON from outside: one meaning for every reader, or refused.

`json.loads` takes the last of two equal keys, where other parsers take the first; it takes NaN,
which is no JSON; and it goes as deep as a file leads it. A package or a file of another program may
be made to be read differently by who approves it and by who uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pathoai.errors import InvalidValueError

_DEEPEST = 100
"""Levels of lists and objects: what we and other programs write has fewer than 20."""
_NAMEABLE = re.compile(r"@?[a-z][a-z0-9_]{0,39}")
"""Keys that messages may repeat: no text of such a file is shown that may be a person's name."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: Path, *, foreign: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """The content of a JSON file in UTF-8.

    Args:
        path: The file.
        foreign: Other programs write it: see `decoder`.

    Raises:
        InvalidValueError: As `parse_json`; the message names the file.
        OSError: It cannot be read.
    """
    return parse_json(path.read_bytes(), path.name, foreign=foreign)


def read_json_lines(path: Path) -> Iterator[Any]:
    """The values of a file that has one on each line, in UTF-8, one by one.

    Raises:
        InvalidValueError: As `parse_json`; the message names the file and the line.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield parse_json(line, f"{path.name} line {number}")


def parse_json(text: str | bytes, where: str, *, foreign: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON text.

    Args:
        text: Characters, or their UTF-8.
        where: What the text is, for messages.
        foreign: Other programs write it: see `decoder`.

    Raises:
        InvalidValueError: It is no JSON or no UTF-8, an object has a key twice, a number is not
            finite, a character is half of one, or it is nested deeper than 100 levels.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf8")
        value = (_FOREIGN if foreign else _OURS).decode(text)
        check_value(value, text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError("not sound JSON", where=where, found=said_of(error)) from error
    return value


def decoder(*, foreign: bool) -> json.JSONDecoder:
    """A decoder that refuses keys that an object has twice; its values need `check_value`, too.

    Args:
        foreign: Take what other programs write and every parser reads alike: a key twice with the
            same value, as QuPath writes ``metadata``, and NaN for what was not measured.
    """
    return json.JSONDecoder(
        object_pairs_hook=_foreign_object if foreign else _object,
        parse_constant=None if foreign else _no_number,
    )


def check_value(value: Any, text: str) -> None:  # noqa: ANN401 - any JSON
    """Refuse what is nested too deep for those who use it, or cannot be written as text.

    Args:
        value: As decoded.
        text: What it was decoded from.

    Raises:
        ValueError: It is.
    """
    if text.count("[") + text.count("{") > _DEEPEST and _is_deep(value):
        raise ValueError(f"more than {_DEEPEST} levels of lists and objects")
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode("utf8")


def said_of(error: Exception) -> str:
    """What is wrong with a text, in words that do not repeat the text."""
    if isinstance(error, RecursionError):
        return f"more than {_DEEPEST} levels of lists and objects"
    if isinstance(error, UnicodeError):
        return "characters that are no UTF-8"
    return str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{_named(key)} twice in one object")
            seen.add(key)
    return found


def _foreign_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            # As texts: to Python, true is 1, and NaN not itself.
            if json.dumps(value) != json.dumps(found[key]):
                raise ValueError(f"{_named(key)} twice in one object, with two values")
    return found


def _named(key: str) -> str:
    return f"the key {key}" if _NAMEABLE.fullmatch(key) else "a key"


def _no_number(_: str) -> NoReturn:
    raise ValueError("a number that is not finite")


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


_OURS, _FOREIGN = decoder(foreign=False), decoder(foreign=True)
