"""The features of a GeoJSON file one by one, so that only its text lies in memory."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathoai.errors import AnnotationError
from pathoai.privacy.shown import shown
from pathoai.strict_json import check_value, decoder, said_of
from pathoai_annotations.formats.text_file import check_file, is_compressed

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = decoder(foreign=True)
_ALLOWED = "a FeatureCollection, a list of features or one feature"


class FeatureFile:
    """A FeatureCollection, a list of features, or one feature.

    Args:
        path: The file; a name that ends in ``.gz`` is unpacked.

    Attributes:
        members: The collection's other members, as far as they stand before its features; of a file
            that was read to its end, all.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: It is no JSON text, or none of the above.
    """

    def __init__(self, path: Path) -> None:
        """Read the text, and the members before the features."""
        self._name = path.name
        self.members: dict[str, Any] = {}
        check_file(path, "GeoJSON")
        try:
            data = path.read_bytes()
            data = gzip.decompress(data) if is_compressed(path) else data
            self._text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise self._refusal(error) from error
        self._at = self._after_space(0)
        self._single: Any = None
        self._names = set[str]()
        self._is_collection = self._next() == "{"
        if self._is_collection:
            self._to_features()
        elif self._next() != "[":
            raise self._refusal()

    def features(self) -> Iterator[Any]:
        """Each feature, decoded when it is asked for.

        Raises:
            AnnotationError: The text ends too early, or is no JSON.
        """
        if self._single is not None:
            yield self._single
            self._end()
            return
        self._expect("[")
        while self._next() != "]":
            yield self._value()
            self._comma_before("]")
        self._expect("]")
        if self._is_collection:
            self._comma_before("}")
            self._members()
            if self.members.get("type") != "FeatureCollection":
                raise self._refusal()
        self._end()

    def _end(self) -> None:
        """Refuse what stands after the features: it would be lost in silence."""
        if self._next():
            raise self._refusal(f"more text after the end, at character {self._at}")

    def _to_features(self) -> None:
        """Stand before the list of features; of one feature, decode it."""
        start = self._at
        self._expect("{")
        if self._members():
            return
        if self.members.get("type") != "Feature":
            raise self._refusal()
        self._at = start
        self._single = self._value()

    def _members(self) -> bool:
        """Decode members of the collection; True where the list of its features begins."""
        while self._next() != "}":
            name = self._new_name()
            self._expect(":")
            if name == "features" and self._next() == "[":
                return True
            self.members[name] = self._value()
            self._comma_before("}")
        self._expect("}")
        return False

    def _new_name(self) -> str:
        """The name of a member; a second one of that name would hide the first, or be hidden."""
        name = self._value()
        if not isinstance(name, str) or name in self._names:
            what = "no name" if not isinstance(name, str) else f"a second member {shown(name)}"
            raise self._refusal(f"{what} before character {self._at}")
        self._names.add(name)
        return name

    def _value(self) -> Any:  # noqa: ANN401 - any JSON
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
            check_value(value, self._text[self._at : end])
        except (ValueError, RecursionError) as error:
            raise self._refusal(said_of(error)) from error
        self._at = self._after_space(end)
        return value

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            found = f"{self._next()!r} at character {self._at}" if self._next() else "its end"
            raise self._refusal(f"{found} where {sign!r} should stand")
        self._at = self._after_space(self._at + 1)

    def _comma_before(self, end: str) -> None:
        if self._next() != end:
            self._expect(",")
            if self._next() == end:
                raise self._refusal(f"{end!r} after a comma, at character {self._at}")

    def _after_space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return at if found is None else found.end()

    def _refusal(self, found: object = None) -> AnnotationError:
        return AnnotationError(
            "not a GeoJSON file",
            where=self._name,
            found=found,
            allowed=None if found else _ALLOWED,
        )
