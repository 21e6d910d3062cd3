"""Run another's validator: ``python run_validator.py PROGRAM WORDS…``, as its own script would.

Run by the Python that has the validators. Some ask the same queries of a graph again and again, and
rdflib would parse each anew, which takes most of their time: here each is prepared once, as
``rdflib.plugins.sparql.prepareQuery`` does for whoever keeps its result.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import entry_points
from typing import Any

_EACH = "--each"
"""What follows is asked about one by one, without starting Python for each."""
_ASK_AGAIN = ("pyshacl", "rocrate-validator")


def prepare_once() -> None:
    from rdflib.plugins.sparql import processor
    from rdflib.plugins.sparql.algebra import translateQuery
    from rdflib.plugins.sparql.parser import parseQuery

    @cache
    def prepared(text: str, base: str | None, prefixes: tuple[tuple[str, Any], ...]) -> Any:  # noqa: ANN401 - untyped there
        return translateQuery(parseQuery(text), base, dict(prefixes))

    def translate(text: str, base: str | None, prefixes: dict[str, Any]) -> Any:  # noqa: ANN401 - likewise
        return prepared(text, base, tuple(prefixes.items()))

    # The text goes through unparsed, up to where the prepared query is asked for.
    vars(processor).update(parseQuery=str, translateQuery=translate)


def main() -> None:
    name, *words = sys.argv[1:]
    if name in _ASK_AGAIN:
        prepare_once()
    first, each = words, [""]
    if _EACH in words:
        first, each = words[: words.index(_EACH)], words[words.index(_EACH) + 1 :]
    (program,) = entry_points(group="console_scripts", name=name)
    exit_codes: list[Any] = []
    for last in each:
        sys.argv[1:] = [word for word in (*first, last) if word]
        try:
            exit_codes.append(program.load()())
        except SystemExit as end:
            exit_codes.append(end.code)
    sys.exit(next(filter(None, exit_codes), 0))


if __name__ == "__main__":
    main()
