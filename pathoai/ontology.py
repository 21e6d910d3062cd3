"""What a label means: classes with an index, a name, a colour, a parent and clinical codes.

An ontology is a YAML file. Two ship with pathoai (``pathoai/ontologies``); adding an organ is
adding a file, which may also say what is told of a slide as a whole (:mod:`pathoai.summary_rules`).
Index 0 is always ``background`` and 255 is reserved: it marks what nobody assessed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from pathoai.errors import OntologyError
from pathoai.summary_rules import SummaryRules

BACKGROUND_INDEX = 0
NOT_ASSESSED = 255
"""Value of a class map where nobody, human or model, assessed the pixel: ignored everywhere."""

# As safe, and ten times as fast where PyYAML was built with libyaml.
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a published terminology, e.g. SNOMED CT 82711006.

    Args:
        scheme: As DICOM abbreviates it, e.g. ``SCT``.
        code: The code.
        meaning: What the source calls the class.
        source: Where the code was seen.
    """

    scheme: str
    code: str
    meaning: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class.

    Args:
        index: Its value in class maps, 0 to 254.
        key: Its name in files and code, lower case with underscores.
        name: Its English name, for people.
        name_fr: Its French name.
        colour: ``#rrggbb``.
        parent: Key of the class it is a kind of.
        grade: Its rank where the ontology is ordinal.
        codings: Codes of published terminologies; none where none was found.
        local: Why it is a term of the ontology's own, where no code was found.
    """

    index: int
    key: str
    name: str
    name_fr: str
    colour: str
    parent: str | None = None
    grade: int | None = None
    codings: tuple[Coding, ...] = ()
    local: str = ""

    def __post_init__(self) -> None:
        """Refuse what a class map or a file could not hold."""
        if type(self.index) is not int or not 0 <= self.index < NOT_ASSESSED:
            raise OntologyError(
                "class index out of range",
                where=self.key,
                found=self.index,
                allowed="whole numbers from 0 to 254",
            )
        if not _KEY.fullmatch(self.key):
            raise OntologyError(
                "malformed class key", found=repr(self.key), allowed="a-z, 0-9 and underscores"
            )
        if not _COLOUR.fullmatch(self.colour):
            raise OntologyError(
                "malformed colour", where=self.key, found=repr(self.colour), allowed="#rrggbb"
            )
        if self.local and self.codings:
            raise OntologyError("a class with a code is no local term", where=self.key)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return (int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16))


@dataclass(frozen=True)
class Ontology:
    """The classes of one organ, how they nest, and what is said of a slide by them.

    Raises:
        OntologyError: Indices or keys repeat, a parent is unknown, parents form a circle, class 0
            is not ``background``, or the summary is about a class that is not there.
    """

    key: str
    version: str
    title: str
    classes: tuple[LabelClass, ...]
    summary: SummaryRules = field(default_factory=SummaryRules, repr=False, hash=False)
    _by_key: Mapping[str, LabelClass] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse contradictions between classes."""
        by_key = {c.key: c for c in self.classes}
        if len(by_key) < len(self.classes) or len({c.index for c in self.classes}) < len(by_key):
            raise OntologyError("two classes share a key or an index", where=self.key)
        if "background" not in by_key or by_key["background"].index != BACKGROUND_INDEX:
            raise OntologyError("class 0 must be background", where=self.key)
        object.__setattr__(self, "_by_key", by_key)
        for label in self.classes:
            self.ancestors(label.key)
        self.summary.check_classes(by_key)

    @property
    def is_ordinal(self) -> bool:
        """True where classes carry a grade, so that errors have a distance."""
        return any(c.grade is not None for c in self.classes)

    @cached_property
    def by_index(self) -> dict[int, LabelClass]:
        """Classes by their value in class maps."""
        return {c.index: c for c in self.classes}

    def __getitem__(self, key: str) -> LabelClass:
        """The class of that key.

        Raises:
            OntologyError: No such class; the message lists the classes and the nearest name.
        """
        try:
            return self._by_key[key]
        except KeyError:
            near = difflib.get_close_matches(key, self._by_key, n=1)
            raise OntologyError(
                "unknown class",
                where=f"ontology {self.key}",
                found=repr(key),
                allowed=", ".join(self._by_key),
                remedy=f"did you mean {near[0]!r}?" if near else None,
            ) from None

    def __contains__(self, key: object) -> bool:
        """True for the key of one of its classes."""
        return key in self._by_key

    def ancestors(self, key: str) -> tuple[str, ...]:
        """Keys from the class itself up to its root.

        Raises:
            OntologyError: A parent is unknown, or parents form a circle.
        """
        chain = [key]
        while (parent := self[chain[-1]].parent) is not None:
            if parent in chain:
                raise OntologyError("parents form a circle", where=self.key, found=parent)
            chain.append(parent)
        return tuple(chain)

    def roll_up(self, targets: tuple[str, ...]) -> dict[int, int]:
        """Class index → position of the nearest target among its ancestors, counted from 1.

        Classes without a target among their ancestors map to 0 (background).

        Raises:
            OntologyError: A target is no class of this ontology.
        """
        position = {self[key].key: i for i, key in enumerate(targets, start=1)}
        return {
            c.index: next((position[a] for a in self.ancestors(c.key) if a in position), 0)
            for c in self.classes
        }


def shipped_ontologies() -> tuple[str, ...]:
    """Keys of the ontologies that ship with pathoai."""
    folder = resources.files("pathoai") / "ontologies"
    return tuple(
        sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))
    )


def load_ontology(key_or_path: str | Path) -> Ontology:
    """A shipped ontology by its key, or one from a YAML file by its path.

    Raises:
        OntologyError: Unknown key, or the file is not a well-formed ontology.
    """
    if isinstance(key_or_path, str) and key_or_path in shipped_ontologies():
        text = (resources.files("pathoai") / "ontologies" / f"{key_or_path}.yaml").read_text("utf8")
        return parse_ontology(text)
    path = Path(key_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        try:
            return parse_ontology(path.read_text("utf8"))
        except UnicodeDecodeError as error:
            raise OntologyError("the ontology file is not UTF-8 text", found=str(error)) from error
    raise OntologyError(
        "unknown ontology",
        found=repr(str(key_or_path)),
        allowed=", ".join(shipped_ontologies()) + ", or the path of a .yaml file",
    )


@lru_cache(maxsize=16)  # it is asked for at every slide of a study, and YAML is slow to read
def parse_ontology(text: str) -> Ontology:
    """An ontology from the text of its YAML file.

    Raises:
        OntologyError: The text is no YAML mapping, or lacks or adds a field.
    """
    try:
        raw: Any = yaml.load(text, Loader=_SAFE_LOADER)
        classes = tuple(_parse_class(entry) for entry in raw.pop("classes"))
        summary = SummaryRules.from_dict(raw.pop("summary", {}))
        return Ontology(classes=classes, summary=summary, **raw)
    except OntologyError:
        raise
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise OntologyError(
            "malformed ontology file",
            found=str(error).replace("\n", " "),
            allowed="key, version, title and classes of index, key, name, name_fr, colour "
            "(optional: parent, grade, codings or local); optional: summary",
        ) from error


def _parse_class(entry: dict[str, Any]) -> LabelClass:
    codings = tuple(Coding(**coding) for coding in entry.pop("codings", ()))
    return LabelClass(codings=codings, **entry)
