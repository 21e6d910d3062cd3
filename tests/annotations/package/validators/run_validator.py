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
    if sys.argv[1] in _ASK_AGAIN:
        prepare_once()
    (program,) = entry_points(group="console_scripts", name=sys.argv.pop(1))
    sys.exit(program.load()())


if __name__ == "__main__":
    main()
