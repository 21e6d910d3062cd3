"""What a DICOM structured report says of a slide, in numbers: classes with areas, and outlines.

Viewers open a report whole, so it holds the largest outlines alone; classes are measured over all.
Of an outline it has the outer ring, in millimetres on the glass and in single precision, as DICOM
asks; its area is without the holes. Parts of an annotation are outlines of their own.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.ann_graphics import POINT, POLYGON, POLYLINE
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_codes import class_coding
from pathoai_annotations.formats.dicom_slide import DicomSlide
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import JUDGEMENT, Part, parts_of, report_losses, shape_of
from pathoai_annotations.slide_frame import SlideFrame, known_frame

MOST_OUTLINES = 100
"""Annotations with outlines in one report: what a person still looks through."""
NOT_IN_REPORT = JUDGEMENT | {Part.PROBABILITY, Part.SOURCE, Part.MEASUREMENTS, Part.HOLES}
"""What a report has no place for."""
_MM2_OF_UM2 = 1e-6
Code = tuple[str, str]
"""Scheme and value."""


@dataclass(frozen=True, eq=False)
class SrOutline:
    """An outline of a report.

    Args:
        identity: UUID of the annotation.
        code: Of its class.
        kind: ``POINT``, ``POLYLINE`` or ``POLYGON``.
        points_mm: ``(N, 2)`` float32 on the glass; the first point of a polygon is repeated.
        area_um2: Without holes; None of what has none.
    """

    identity: str
    code: Code
    kind: str
    points_mm: NDArray[np.float32]
    area_um2: float | None

    @property
    def state(self) -> tuple[object, ...]:
        """All of it, to be compared."""
        return self.identity, self.code, self.kind, self.points_mm.tolist(), self.area_um2


@dataclass(frozen=True)
class SrClass:
    """A class of a report, over all annotations of the slide.

    Args:
        code: Of the class.
        area_mm2: Of its outlines, each without its holes.
        count: Annotations; None where it is not to be shown.
    """

    code: Code
    area_mm2: float
    count: int | None


@dataclass(frozen=True)
class SrContent:
    """A report.

    Args:
        classes: In the order of the ontology.
        outlines: The largest annotation first, then by identity.
    """

    classes: tuple[SrClass, ...]
    outlines: tuple[SrOutline, ...]

    @property
    def digest(self) -> str:
        """The same for the same content."""
        said = repr((self.classes, [outline.state for outline in self.outlines]))
        return hashlib.sha256(said.encode()).hexdigest()

    def same_as(self, other: SrContent) -> bool:
        """True where both say the same."""
        return self.classes == other.classes and [o.state for o in self.outlines] == [
            o.state for o in other.outlines
        ]


def sr_content(
    annotations: Iterable[Annotation],
    context: WritingContext,
    report: ExchangeReport,
    *,
    shows_counts: bool = True,
) -> SrContent:
    """What a report of annotations says.

    Args:
        annotations: Of one slide.
        context: The slide, which must be known, and the classes.
        report: Told of what a report cannot hold.
        shows_counts: Whether it says how many annotations each class has.

    Raises:
        AnnotationError: The slide was not tiled, or there is no annotation.
        OntologyError: The ontology lacks a class.
    """
    frame = known_frame(context.frame, "DICOM")
    found = sorted(annotations, key=lambda a: (-a.geometry.area, str(a.id)))
    if not found:
        raise AnnotationError("no annotation to report", where=context.slide_id)
    slide = DicomSlide.of_code(context.slide_id, frame)
    for annotation in found[:MOST_OUTLINES]:
        report_losses(annotation, NOT_IN_REPORT, report)
    for annotation in found[MOST_OUTLINES:]:
        report.lose(shape_of(annotation.geometry), str(annotation.id))
    _note(found, report, shows_counts=shows_counts)
    outlines = [
        outline
        for annotation in found[:MOST_OUTLINES]
        for outline in _outlines(annotation, context, slide, frame)
    ]
    classes = _classes(found, context, frame, shows_counts=shows_counts)
    return SrContent(tuple(classes), tuple(outlines))


def _note(annotations: Sequence[Annotation], report: ExchangeReport, *, shows_counts: bool) -> None:
    report.note(
        f"outlines of the {MOST_OUTLINES} largest annotations at most, outer rings alone, in "
        "millimetres of single precision; classes are measured over all annotations"
    )
    if any(Part.SEVERAL in parts_of(annotation) for annotation in annotations):
        report.note("the parts of an annotation are outlines of their own, of the same name")
    if not shows_counts:
        report.note(
            "numbers of annotations are left out: classes of one slide would tell counts that "
            "are too small to be published"
        )


def _outlines(
    annotation: Annotation, context: WritingContext, slide: DicomSlide, frame: SlideFrame
) -> Iterable[SrOutline]:
    code = _code(annotation.label, context)
    for part in shapely.get_parts(annotation.geometry):
        is_area = part.geom_type == "Polygon"
        kind = POLYGON if is_area else POINT if part.geom_type == "Point" else POLYLINE
        points = shapely.get_coordinates(part.exterior if is_area else part)
        on_glass = slide.points_on_glass(points).astype(np.float32)
        area = _as_dicom_says(part.area * frame.mpp.x * frame.mpp.y) if is_area else None
        yield SrOutline(str(annotation.id), code, kind, on_glass, area)


def _classes(
    annotations: Sequence[Annotation],
    context: WritingContext,
    frame: SlideFrame,
    *,
    shows_counts: bool,
) -> Iterable[SrClass]:
    by_label: dict[str, list[float]] = defaultdict(list)
    for annotation in annotations:
        by_label[annotation.label].append(annotation.geometry.area)
    pixel_mm2 = frame.mpp.x * frame.mpp.y * _MM2_OF_UM2
    for label in sorted(by_label, key=lambda label: context.ontology[label].index):
        areas = by_label[label]
        count = len(areas) if shows_counts else None
        yield SrClass(_code(label, context), _as_dicom_says(sum(areas) * pixel_mm2), count)


def _code(label: str, context: WritingContext) -> Code:
    coding = class_coding(context.ontology[label])
    return coding.scheme, coding.code


def _as_dicom_says(number: float) -> float:
    """Rounded to nine digits: numbers are texts of up to 16 signs there."""
    return float(f"{number:.9g}")
