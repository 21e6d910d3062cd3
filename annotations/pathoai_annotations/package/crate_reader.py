"""Reading the crate of a package, with no more than a JSON parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pathoai.errors import PackageError
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout

Entity = dict[str, Any]


class Crate:
    """The entities of ``ro-crate-metadata.json``.

    Args:
        root: The bag's folder.

    Raises:
        PackageError: The file is absent, no flattened JSON-LD, or describes one thing twice.
    """

    def __init__(self, root: Path) -> None:
        """Read the graph."""
        path = root / layout.PAYLOAD / layout.METADATA
        try:
            graph: list[Entity] = read_json(path)["@graph"]
            self.entities = {str(entity["@id"]): entity for entity in graph}
            self._root = self.entities["./"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackageError(
                "the crate's metadata cannot be read", where=layout.METADATA, found=repr(error)
            ) from error
        if len(self.entities) < len(graph):
            raise PackageError("the crate describes one thing twice", where=layout.METADATA)

    def files(self) -> dict[str, str]:
        """Payload files that the crate declares and lists as parts of it: name → SHA-256.

        The hash is empty where the crate states none.
        """
        return self._parts("File")

    def stores(self) -> dict[str, str]:
        """Stores that the crate declares as one part each: name → SHA-256 over their files."""
        return {name.rstrip("/"): digest for name, digest in self._parts("Dataset").items()}

    def _parts(self, kind: str) -> dict[str, str]:
        parts = self.references("hasPart")
        return {
            unquote(identity).removeprefix("./"): str(entity.get("sha256", ""))
            for identity, entity in self.entities.items()
            if identity in parts and kind in _as_list(entity.get("@type"))
        }

    @property
    def title(self) -> str:
        """The title of the package."""
        return str(self._root.get("name", ""))

    @property
    def published(self) -> str:
        """The day of publication, as the root states it; empty where it does not."""
        return str(self._root.get("datePublished", ""))

    def references(self, key: str) -> set[str]:
        """Identities that a property of the root points to."""
        values = (v for v in _as_list(self._root.get(key)) if isinstance(v, dict))
        return {str(value["@id"]) for value in values if "@id" in value}

    def counts(self) -> dict[str, object]:
        """What the root says was counted, e.g. ``status:validated`` → 12."""
        measured = (self.entities.get(i, {}) for i in self.references("variableMeasured"))
        return {str(entity.get("propertyID")): entity.get("value") for entity in measured}


def _as_list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
