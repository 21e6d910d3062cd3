"""Turtle (W3C RDF 1.1), written: terms with their escapes, nothing read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NewType

Term = NewType("Term", str)
"""An IRI, a literal, a prefixed name or a blank node, as it stands in the file."""
Statement = tuple[str, "Term | Sequence[Term]"]
"""A predicate as prefixed name, and its objects."""

_NOT_IN_AN_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NOT_IN_A_STRING = re.compile(r'[\x00-\x1f\\"\x7f]')


def iri(text: str) -> Term:
    """An IRI; what may not stand in one is percent-encoded."""
    safe = _NOT_IN_AN_IRI.sub(lambda match: f"%{ord(match[0]):02X}", text)
    return Term(f"<{safe}>")


def name(prefixed: str) -> Term:
    """A prefixed name that the code knows, e.g. ``skos:Concept``."""
    return Term(prefixed)


def literal(value: object, *, language: str = "", datatype: str = "") -> Term:
    """A literal; its datatype as prefixed name."""
    escaped = _NOT_IN_A_STRING.sub(_escape, str(value))
    tail = f"@{language}" if language else f"^^{datatype}" if datatype else ""
    return Term(f'"{escaped}"{tail}')


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0], f"\\u{ord(match[0]):04X}")


def blank(statements: Iterable[Statement]) -> Term:
    """A blank node with its statements."""
    return Term("[ " + " ; ".join(map(_statement, statements)) + " ]")


def document(
    prefixes: Mapping[str, str], subjects: Iterable[tuple[Term, Sequence[Statement]]]
) -> str:
    """A whole file: prefixes, then subjects in the order given.

    Args:
        prefixes: Prefix without its colon → IRI.
        subjects: A subject and what is said of it.
    """
    head = "".join(f"@prefix {prefix}: <{base}> .\n" for prefix, base in prefixes.items())
    blocks = (
        f"{subject}\n    " + " ;\n    ".join(map(_statement, statements)) + " .\n"
        for subject, statements in subjects
    )
    return head + "\n" + "\n".join(blocks)


def _statement(statement: Statement) -> str:
    predicate, objects = statement
    listed = objects if isinstance(objects, str) else ", ".join(objects)
    return f"{predicate} {listed}"
