"""What the metrics read: the descriptions of a package, each absent where it cannot be read."""

from __future__ import annotations

from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError
from pathoai.strict_json import parse_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.crate_reader import Crate, Entity

Json = dict[str, Any]


class Documents:
    """The descriptions of a package; an empty one stands for what is absent or malformed.

    Args:
        root: The bag's folder.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is read yet."""
        self.root = root
        self.payload = root / layout.PAYLOAD

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every file of the payload."""
        return payload_files(self.root)

    @cached_property
    def entities(self) -> dict[str, Entity]:
        """Entities of the crate, by identity."""
        try:
            return Crate(self.root).entities
        except PackageError:
            return {}

    @property
    def crate(self) -> Entity:
        """The crate's root."""
        return self.entities.get("./", {})

    @cached_property
    def page(self) -> LandingPage:
        """The landing page."""
        parser = LandingPage()
        parser.feed(self.text(layout.LANDING_PAGE))
        return parser

    @property
    def dataset(self) -> Json:
        """The schema.org ``Dataset`` inside the landing page."""
        return self.page.dataset

    @cached_property
    def croissant(self) -> Json:
        """``croissant.json``."""
        return self._json(layout.CROISSANT)

    @cached_property
    def datapackage(self) -> Json:
        """``datapackage.json``."""
        return self._json(layout.DATAPACKAGE)

    @cached_property
    def datacite(self) -> Json:
        """The DataCite record."""
        return self._json(layout.DATACITE)

    def text(self, name: str) -> str:
        """A text file of the payload; empty where it is absent or not UTF-8."""
        try:
            return (self.payload / name).read_text("utf8")
        except (OSError, UnicodeDecodeError):
            return ""

    def _json(self, name: str) -> Json:
        return _object(self.text(name))


class LandingPage(HTMLParser):
    """The parts of a page that machines look at: links by relation, and embedded JSON-LD."""

    def __init__(self) -> None:
        """An empty page."""
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._in_data = False
        self._data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, and where JSON-LD begins."""
        attributes = {key: value or "" for key, value in attrs}
        if tag == "link":
            self.links.append((attributes.get("rel", ""), attributes.get("href", "")))
        self._in_data = tag == "script" and attributes.get("type") == "application/ld+json"

    def handle_endtag(self, tag: str) -> None:
        """Note where JSON-LD ends."""
        self._in_data = False

    def handle_data(self, data: str) -> None:
        """Collect JSON-LD."""
        if self._in_data:
            self._data += data

    @property
    def dataset(self) -> Json:
        """The embedded ``Dataset``; empty where there is none."""
        found = _object(self._data)
        return found if found.get("@type") == "Dataset" else {}


def _object(text: str) -> Json:
    try:
        found = parse_json(text, "description")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def listed(value: object) -> list[Any]:
    """A JSON-LD value as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
