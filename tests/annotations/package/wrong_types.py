"""Values of every other type, put at every place of a document: what nobody writes by mistake."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Place = tuple[str | int, ...]
Json = Any
_MARK = "the place of a wrong value"
WRONG = (
    "null",
    "true",
    "-1.5",
    "1e999",  # JSON, and infinite once it is read
    "1" + 400 * "0",  # no float is as large
    '"text"',
    '"\\u0000"',
    "[]",
    '["x"]',
    "[null]",
    "{}",
    '{"x": {}}',
)
"""As JSON."""
FEW = ("1e999", '["x"]', '{"x": {}}')
"""A number, a list and an object: where each look takes long."""


def tampered(
    path: Path, values: Sequence[str] = WRONG, depth: int | None = None
) -> Iterator[tuple[Place, str]]:
    """Rewrite a JSON file, or the first line of a log, once for each place and wrong value.

    Of the members of a list that are alike, one is changed. In the end all is as it was.

    Args:
        path: The file.
        values: To put there.
        depth: Steps to the deepest place; None is no bound.

    Yields:
        Where the file differs now from what it was, and what stands there.
    """
    whole = path.read_text("utf8")
    first, rest = whole.split("\n", 1) if path.suffix == ".jsonl" else (whole, "")
    document = json.loads(first)
    for place in _places(document):
        if depth is not None and len(place) > depth:
            continue
        text = json.dumps(_replaced(document, place))
        for wrong in values:
            if json.loads(wrong) != _at(document, place):
                path.write_text(f"{text.replace(json.dumps(_MARK), wrong)}\n{rest}", "utf8")
                yield place, wrong
    path.write_text(whole, "utf8", newline="\n")


def _places(document: Json) -> Iterator[Place]:
    seen = set[tuple[object, ...]]()
    for place in _all_places(document, ()):
        kind = tuple(_kind(document, place[: at + 1]) for at in range(len(place)))
        if kind not in seen:
            seen.add(kind)
            yield place


def _all_places(value: Json, here: Place) -> Iterator[Place]:
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _all_places(inner, (*here, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _all_places(inner, (*here, index))


def _kind(document: Json, place: Place) -> object:
    """A key; of a member of a list the type that JSON-LD gives it, or that Python does."""
    if isinstance(place[-1], str):
        return place[-1]
    value = _at(document, place)
    is_root = isinstance(value, dict) and value.get("@id") == "./"
    said = value.get("@type") if isinstance(value, dict) else None
    return str(said), is_root, type(value)


def _at(document: Json, place: Place) -> Json:
    for step in place:
        document = document[step]
    return document


def _replaced(document: Json, place: Place) -> Json:
    if not place:
        return _MARK
    changed = copy.deepcopy(document)
    _at(changed, place[:-1])[place[-1]] = _MARK
    return changed
