"""The contract of an exchange format, and the choice of one by a file's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pathoai import entry_points
from pathoai.errors import AnnotationError
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Origin, check_author

GROUP = "pathoai.annotation_formats"


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What a file does not say of itself.

    Args:
        slide_id: Code of the slide that the file describes.
        ontology: The study's classes.
        author: Code under which what is read enters the study.
        origin: Where the outlines were first drawn.
        default_label: Class of features without one; such features are refused where not given.
        trust_metadata: Take origin, author and status from the file where pathoai wrote them.

    Raises:
        AnnotationError: The author is no code.
        OntologyError: The default class is unknown.
    """

    slide_id: str
    ontology: Ontology
    author: str
    origin: Origin = Origin.IMPORT
    default_label: str | None = None
    trust_metadata: bool = False

    def __post_init__(self) -> None:
        """Refuse what no feature could be read with."""
        check_author(self.author)
        if self.default_label is not None:
            self.ontology[self.default_label]


class AnnotationFormat(Protocol):
    """One exchange format."""

    suffixes: tuple[str, ...]
    """Endings of its file names, e.g. ``.geojson``."""

    def read(self, path: Path, context: ReadingContext) -> Iterator[Annotation]:
        """Annotations of a file, in level-0 pixels.

        Raises:
            AnnotationError: The file is malformed; the message names the feature.
            OntologyError: A class is unknown.
        """
        ...

    def write(self, path: Path, annotations: Iterable[Annotation], ontology: Ontology) -> int:
        """Write annotations and count them; the old file stays until the new one is whole."""
        ...


def format_of(path: Path) -> AnnotationFormat:
    """The format whose suffix a file's name ends in.

    Raises:
        AnnotationError: None has it; the message lists the suffixes.
    """
    known: list[str] = []
    for name in entry_points.names_in(GROUP):
        candidate: AnnotationFormat = entry_points.load(GROUP, name)
        if path.name.lower().endswith(candidate.suffixes):
            return candidate
        known.extend(candidate.suffixes)
    raise AnnotationError(
        "no annotation format has this file name", found=path.suffix, allowed=", ".join(known)
    )
