"""CSV of the challenge TissueNet (cervix, 2020): squares in WKT, y counted from the bottom.

Columns as in the challenge's own file; links to pictures are passed over. The class of a row is a
grade of the lesion, 0 to 3, as the ontology ranks it. A file may be about several slides.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, OntologyError
from pathoai.privacy.shown import shown
from pathoai.study.grade import class_of_rank
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.csv_table import header_of, read_table
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses, shape_of
from pathoai_annotations.formats.text_file import writing_text
from pathoai_annotations.slide_frame import Corner, known_frame

_TITLE = "TissueNet CSV"
_COLUMNS = ("annotation_id", "filename", "geometry", "annotation_class")
_SQUARE_UM = 300.0
_SQUARE_TOLERANCE_PX = 2.0


class TissueNet:
    """The format ``tissuenet``."""

    title = _TITLE
    suffixes: tuple[str, ...] = (".csv",)
    reads = writes = True
    cannot_carry: frozenset[Part] = JUDGEMENT | {
        Part.CLASS,
        Part.POINTS,
        Part.LINES,
        Part.PROBABILITY,
        Part.SOURCE,
        Part.MEASUREMENTS,
    }

    def recognises(self, path: Path) -> bool:
        """True where the table has the challenge's columns."""
        return set(_COLUMNS) <= set(header_of(path))

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """The rows about one slide, which the file calls by its code or by ``known_as``."""
        frame, corner = (
            known_frame(context.frame, context.slide_id),
            context.corner or Corner.CANVAS,
        )
        mpp = context.mpp or frame.mpp.mean
        height = frame.part(corner).height * (frame.mpp.y / mpp if context.mpp else 1)
        reader = FeatureReader(context, report, context.placement())
        table = read_table(path, _COLUMNS, _TITLE)
        rows = [row for row in table.rows if _is_of(row[1]["filename"], context)]
        if table.rows and not rows:
            raise AnnotationError(
                "no row is about this slide",
                where=path.name,
                found=f"rows of {len({row['filename'] for _, row in table.rows})} others",
                allowed=context.known_as or context.slide_id,
                remedy="say with --known-as what the file calls it",
            )
        for column in sorted(set(table.columns) - set(_COLUMNS)):
            report.lose(f"the column {shown(column)}", path.name, times=len(rows))
        for line, row in rows:
            feature = _feature(row, f"{path.name} line {line}", height, context)
            _note_size(feature.geometry, mpp, report)
            annotation = reader.annotation(feature)
            if annotation is not None:
                yield annotation

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write the annotations of one slide; see :meth:`write_slides`."""
        return self.write_slides(path, [(context, annotations)], report)

    def write_slides(
        self,
        path: Path,
        sheets: Iterable[tuple[WritingContext, Iterable[Annotation]]],
        report: ExchangeReport,
    ) -> int:
        """Write outlines of classes with a grade; the others are left out, and said.

        Raises:
            AnnotationError: A slide was not tiled: its height is not known.
        """
        count = 0
        with writing_text(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for context, annotations in sheets:
                sheet: _Sheet | None = None
                for annotation in annotations:
                    # Only slides with annotations need to have been tiled.
                    sheet = sheet or _Sheet(context, report)
                    report_losses(annotation, self.cannot_carry, report)
                    row = sheet.row(annotation)
                    if row is not None:
                        writer.writerow(row)
                        count += 1
        return count


FORMAT = TissueNet()


class _Sheet:
    """The rows of one slide."""

    def __init__(self, context: WritingContext, report: ExchangeReport) -> None:
        self._context, self._report = context, report
        self._frame = known_frame(context.frame, context.slide_id)
        self._placement = context.placement()
        self._height = self._frame.part(context.corner).height

    def row(self, annotation: Annotation) -> list[object] | None:
        """The cells of an annotation; None where the challenge has no place for it."""
        ontology, report = self._context.ontology, self._report
        grade = ontology[annotation.label].grade
        if shape_of(annotation.geometry) is not Part.AREAS:
            return None
        if grade is None:
            report.lose(Part.CLASS, str(annotation.id))
            report.note("annotations of classes without a grade are left out")
            return None
        if class_of_rank(ontology, grade).key != annotation.label:
            report.lose(Part.CLASS, str(annotation.id))
        outline = self._placement.from_level_0(annotation.geometry)
        _note_size(outline, self._frame.mpp.mean, report)
        text = shapely.to_wkt(_upside_down(outline, self._height), rounding_precision=-1)
        return [annotation.id, self._context.slide_name, text, grade]


def _is_of(filename: str, context: ReadingContext) -> bool:
    names = {context.slide_id, context.known_as} - {""}
    return filename in names or filename.rsplit(".", 1)[0] in names


def _feature(row: dict[str, str], where: str, height: float, context: ReadingContext) -> Feature:
    with naming(where):
        try:
            # A coordinate that is too large is refused later, by an error, not by a warning.
            with np.errstate(over="ignore", invalid="ignore"):
                outline = shapely.from_wkt(row["geometry"])
        except shapely.errors.ShapelyError as error:
            raise AnnotationError("malformed geometry", found=error) from error
    name = _class_name(row["annotation_class"].strip(), context)
    return Feature(where, _upside_down(outline, height), name, row["annotation_id"])


def _class_name(grade: str, context: ReadingContext) -> str | None:
    """The class of a grade, unless the user says which; what is none is refused by its name."""
    if grade.isdecimal() and grade not in context.classes:
        with suppress(OntologyError):
            return class_of_rank(context.ontology, int(grade)).key
    return grade or None


def _upside_down(geometry: BaseGeometry, height: float) -> BaseGeometry:
    """The challenge's y starts at the bottom left."""
    return shapely.transform(geometry, lambda points: points * (1, -1) + (0, height))


def _note_size(outline: BaseGeometry, mpp: float, report: ExchangeReport) -> None:
    if outline.is_empty:
        return
    left, top, right, bottom = outline.bounds
    side_px = _SQUARE_UM / mpp
    sizes = (right - left, bottom - top)
    is_box = abs(outline.area - sizes[0] * sizes[1]) <= _SQUARE_TOLERANCE_PX * side_px
    if not is_box or max(abs(size - side_px) for size in sizes) > _SQUARE_TOLERANCE_PX:
        report.note("some outlines are no squares of 300 µm, as those of the challenge are")
