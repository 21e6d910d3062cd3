"""Run another's validator: ``python run_validator.py PROGRAM WORDS…``, as its own script would.

Run by the Python that has the validators. With ``--each`` one start of it judges many files.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import entry_points
from typing import Any
from unittest.mock import patch

_EACH = "--each"
"""What follows is asked about one by one, without starting Python for each."""
_WITH_QUERIES = ("pyshacl", "rocrate-validator")


def prepare_queries_once() -> None:
    """Each rule is a query that is asked of every entity: parse it once, as rdflib offers."""
    from rdflib.plugins.sparql import prepareQuery, processor

    evaluate = processor.SPARQLProcessor.query

    @cache
    def prepared(text: str, names: frozenset[tuple[str, Any]], base: str | None) -> Any:  # noqa: ANN401 - untyped there
        return prepareQuery(text, dict(names), base)

    def query(
        self: Any,  # noqa: ANN401
        text: Any,  # noqa: ANN401
        initBindings: Any = None,  # noqa: ANN401
        initNs: Any = None,  # noqa: ANN401
        base: Any = None,  # noqa: ANN401
        DEBUG: bool = False,
    ) -> Any:  # noqa: ANN401
        if isinstance(text, str):
            text = prepared(text, frozenset((initNs or {}).items()), base)
        return evaluate(self, text, initBindings, initNs, base, DEBUG)

    patch.object(processor.SPARQLProcessor, "query", query).start()


def main() -> None:
    name, *words = sys.argv[1:]
    first, each = words, [""]
    if _EACH in words:
        first, each = words[: words.index(_EACH)], words[words.index(_EACH) + 1 :]
    if name in _WITH_QUERIES:
        prepare_queries_once()
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
