"""XML read as a stream: elements as they begin and end, and no document type, ever.

Entities that a document defines itself can blow a few hundred bytes up to gigabytes, or name files
of this machine; no program that writes annotations needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.text_file import check_file

_CHUNK_BYTES = 1 << 20
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Start:
    """An element begins.

    Args:
        tag: Its name.
        attributes: Their values by name.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """The element of that name ends."""

    tag: str


def xml_events(path: Path, root: str, title: str) -> Iterator[Start | End]:
    """What begins and ends in an XML file, in order.

    Args:
        path: The file.
        root: Name of its outermost element.
        title: What the file should be, for messages.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: It is no XML, is cut short, has a document type, or another root.
    """
    check_file(path, title)
    events: list[Start | End] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: events.append(Start(tag, attributes))
    parser.EndElementHandler = lambda tag: events.append(End(tag))
    parser.StartDoctypeDeclHandler = _refuse_doctype
    is_first = True
    try:
        with path.open("rb") as file:
            while True:
                chunk = file.read(_CHUNK_BYTES)
                parser.Parse(chunk, not chunk)
                if is_first and events:
                    _check_root(events[0].tag, root)
                    is_first = False
                yield from events
                events.clear()
                if not chunk:
                    return
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise AnnotationError(f"not a {title} file", where=path.name, found=error) from error
    except _RefusedError as error:
        raise AnnotationError(
            f"not a {title} file", where=path.name, found=error, allowed=f"<{root}>"
        ) from error


def attribute(name: str, value: object) -> str:
    """An attribute in the text of a file, with a blank before it; a float keeps its last digit."""
    return f" {name}={quoteattr(str(value))}"


def is_xml_text(text: str) -> bool:
    """True where XML has signs for every character."""
    return _FORBIDDEN.search(text) is None


class _RefusedError(Exception):
    """Raised through the parser, which knows no error of ours."""


def _refuse_doctype(*_: object) -> None:
    raise _RefusedError("a document type, which could define entities")


def _check_root(found: str, root: str) -> None:
    if found != root:
        raise _RefusedError(f"<{found}>")
