"""The contract of an exchange format, and the choice of one by a file's name and content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from pathoai import entry_points
from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Origin, check_author
from pathoai_annotations.formats.class_names import ClassNames
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from pathoai_annotations.slide_frame import Corner, Placement, SlideFrame, placement

GROUP = "pathoai.annotation_formats"


@dataclass(frozen=True)
class ReadingContext:
    """What a file does not say of itself.

    Args:
        slide_id: Code of the slide that the file describes.
        ontology: The study's classes.
        author: Code under which what is read enters the study.
        origin: Where the outlines were first drawn.
        default_label: Class of features without one; such features are refused where not given.
        trust_metadata: Take origin, author and status from the file where pathoai wrote them.
        frame: Of the slide; None where it was not tiled yet: then nothing can be said to lie off
            it, and formats that count from another corner are refused.
        known_as: What the file calls the slide, where it is about several.
        classes: Key of a class by the file's name for it.
        repair: Mend what can be mended, and say so, instead of refusing it.
        corner: What the file's coordinates call (0, 0); as the file says where None, which is the
            canvas where it says nothing.
        mpp: µm per unit of the file's coordinates, where these are not level-0 pixels.
        class_column: Of a table: the column that says the class; one of a usual name where empty.
        source: A DICOM file of the slide: says where pixels lie on the glass.

    Raises:
        AnnotationError: The author is no code.
        OntologyError: A class is unknown.
        ImplausibleMppError: The scale cannot be true.
    """

    slide_id: str
    ontology: Ontology
    author: str
    origin: Origin = Origin.IMPORT
    default_label: str | None = None
    trust_metadata: bool = False
    frame: SlideFrame | None = None
    known_as: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    repair: bool = False
    corner: Corner | None = None
    mpp: float | None = None
    class_column: str = ""
    source: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what no feature could be read with."""
        check_author(self.author)
        if self.default_label is not None:
            self.ontology[self.default_label]
        ClassNames(self.ontology, self.classes)
        if self.mpp is not None:
            Mpp.square(self.mpp)

    @cached_property
    def names(self) -> ClassNames:
        """Which class a name in the file stands for."""
        return ClassNames(self.ontology, self.classes)

    def placement(self, stated: Corner | None = None, unit_um: float | None = None) -> Placement:
        """How the file's coordinates lie on level 0.

        Args:
            stated: The corner that the file itself says it counts from.
            unit_um: µm per unit of its coordinates, where the file itself says it.

        Raises:
            AnnotationError: File and user say otherwise, or the slide's frame is not known.
        """
        if self.corner and stated and self.corner is not stated:
            raise AnnotationError(
                "the file says that it counts from another corner",
                where="--origin",
                found=self.corner,
                allowed=stated,
                remedy="leave --origin out",
            )
        corner = self.corner or stated or Corner.CANVAS
        return placement(self.frame, corner, self.mpp if unit_um is None else unit_um)


@dataclass(frozen=True, slots=True)
class WritingContext:
    """What a file says beside the annotations.

    Args:
        slide_id: Code of the slide.
        ontology: The study's classes: their names, colours and codes.
        frame: Of the slide; None where it was not tiled yet.
        known_as: What the file shall call the slide; its code where empty.
        corner: What coordinates shall call (0, 0).
        mpp: µm per pixel of rasters; about half a micrometre where None.
        source: A DICOM file of the slide, to which the annotations shall refer; without one they
            refer to an image of the slide's code.
        made: When files shall say that they were made, so that the same annotations give the same
            bytes; where None they say the time of the clock, and versions of software.

    Raises:
        ImplausibleMppError: The scale cannot be true.
    """

    slide_id: str
    ontology: Ontology
    frame: SlideFrame | None = None
    known_as: str = ""
    corner: Corner = Corner.CANVAS
    mpp: float | None = None
    source: Path | None = None
    made: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a scale that no raster of a slide has."""
        if self.mpp is not None:
            Mpp.square(self.mpp)

    @property
    def time(self) -> datetime:
        """When files say that they were made, UTC."""
        return self.made or datetime.now(UTC)

    @property
    def slide_name(self) -> str:
        """What the file calls the slide."""
        return self.known_as or self.slide_id

    def placement(self) -> Placement:
        """How the file's coordinates lie on level 0.

        Raises:
            AnnotationError: The slide's frame is needed and not known.
        """
        return placement(self.frame, self.corner)


class AnnotationFormat(Protocol):
    """One exchange format; its name is that of its entry point.

    Its module is loaded whenever a format is looked for: it imports what is heavy, or may not be
    installed, only where it reads or writes.
    """

    title: str
    """For people, e.g. ``QuPath GeoJSON``."""
    suffixes: tuple[str, ...]
    """Endings of its file names in lower case, e.g. ``.geojson``."""
    reads: bool
    """Whether files can be read."""
    writes: bool
    """Whether files can be written."""
    cannot_carry: frozenset[Part]
    """What it has no place for: told before an exchange, reported by each."""

    def recognises(self, path: Path) -> bool:
        """True where an existing file, which has one of the suffixes, looks like this format."""
        ...

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file, in level-0 pixels.

        Args:
            path: The file.
            context: What it does not say.
            report: Told of what is not taken over, and of what is repaired.

        Raises:
            AnnotationError: The file is malformed; the message names the feature.
            OntologyError: A class is unknown.
        """
        ...

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations and count them; the old file stays until the new one is whole.

        Args:
            path: The file.
            annotations: Of one slide.
            context: The slide and the classes.
            report: Told of what the format cannot hold.
        """
        ...


@runtime_checkable
class TakesOptions(Protocol):
    """A format that heeds fields of the contexts that concern few."""

    takes: frozenset[str]
    """Of ``mpp`` (in writing), ``source`` and ``class_column``."""


@runtime_checkable
class SeveralSlides(Protocol):
    """A format whose files may be about several slides, each by the name that the file gives it."""

    def write_slides(
        self,
        path: Path,
        sheets: Iterable[tuple[WritingContext, Iterable[Annotation]]],
        report: ExchangeReport,
    ) -> int:
        """Write the annotations of several slides and count them.

        Args:
            path: The file.
            sheets: A slide and its annotations, each.
            report: Told of what the format cannot hold.
        """
        ...


def format_named(name: str) -> AnnotationFormat:
    """The format of that name.

    Raises:
        AnnotationError: There is none; the message lists them.
    """
    known = entry_points.names_in(GROUP)
    if name not in known:
        raise AnnotationError("no such format", found=name, allowed=", ".join(sorted(known)))
    found: AnnotationFormat = entry_points.load(GROUP, name)
    return found


def format_to_read(path: Path) -> tuple[str, AnnotationFormat]:
    """The format of an existing file, and its name: by its ending, then by what lies in it.

    Raises:
        AnnotationError: It is of no format, or could be of several.
    """
    fitting = {name: f for name, f in _ending_like(path).items() if f.reads}
    if len(fitting) > 1 and path.exists():
        fitting = {name: f for name, f in fitting.items() if f.recognises(path)} or fitting
    elif len(fitting) > 1:
        fitting = {name: f for name, f in fitting.items() if f.writes} or fitting
    return _only_one(fitting, path)


def format_to_write(path: Path) -> tuple[str, AnnotationFormat]:
    """The format that a file's name asks for, and its name; of several, that of the longest ending.

    Raises:
        AnnotationError: No format has the ending, or several have it.
    """
    fitting = {name: f for name, f in _ending_like(path).items() if f.writes}
    lengths = {name: _ending_length(f, path) for name, f in fitting.items()}
    longest = max(lengths.values(), default=0)
    return _only_one({n: f for n, f in fitting.items() if lengths[n] == longest}, path)


def _ending_length(candidate: AnnotationFormat, path: Path) -> int:
    return max(len(s) for s in candidate.suffixes if path.name.lower().endswith(s))


def _ending_like(path: Path) -> dict[str, AnnotationFormat]:
    known: list[str] = []
    fitting = {}
    for name in entry_points.names_in(GROUP):
        candidate = format_named(name)
        known.extend(candidate.suffixes)
        if path.name.lower().endswith(candidate.suffixes):
            fitting[name] = candidate
    if not fitting:
        raise AnnotationError(
            "no annotation format has this file name",
            found=path.suffix,
            allowed=", ".join(dict.fromkeys(known)),
        )
    return fitting


def _only_one(fitting: Mapping[str, AnnotationFormat], path: Path) -> tuple[str, AnnotationFormat]:
    if len(fitting) != 1:
        raise AnnotationError(
            "which format?" if fitting else "files of this kind cannot be used so",
            found=path.suffix,
            remedy=f"say --format, one of {', '.join(fitting)}" if fitting else None,
        )
    return next(iter(fitting.items()))
