"""CSV of points, as tables of cells are: the unit stands in the header, ``x_px`` or ``x_um``.

Columns ``id`` and ``probability`` may be there or not. Rows of one id are the points of one
annotation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import shapely
from shapely.geometry import MultiPoint, Point

from pathoai.errors import AnnotationError
from pathoai.privacy.shown import shown
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.csv_table import Table, header_of, read_table
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses, shape_of
from pathoai_annotations.formats.text_file import writing_text
from pathoai_annotations.slide_frame import known_frame, placement

_TITLE = "points CSV"
_AXIS = re.compile(r"([xy])[ _]?[\[(]?(px|um|µm|μm)[\])]?")
_PIXELS, _MICROMETRES = "px", "um"
_OTHERS = ("class", "id", "probability")


class PointsCsv:
    """The formats ``points-csv`` and ``points-csv-um``, which differ in the unit they write.

    Args:
        unit: ``px``, level-0 pixels, or ``um``.
    """

    suffixes: tuple[str, ...] = (".csv",)
    reads = writes = True
    cannot_carry: frozenset[Part] = JUDGEMENT | {
        Part.AREAS,
        Part.HOLES,
        Part.LINES,
        Part.SOURCE,
        Part.MEASUREMENTS,
    }

    def __init__(self, unit: str) -> None:
        """A format that writes in that unit, and reads both."""
        self._unit = unit
        self.title = f"CSV of points in {'µm' if unit == _MICROMETRES else 'level-0 pixels'}"

    def recognises(self, path: Path) -> bool:
        """True where the header has a class, and x and y in this unit."""
        header = header_of(path)
        return "class" in header and self._unit in _axes(header).values()

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """A point for each row, or several points where rows of one id follow each other."""
        table = read_table(path, ("class",), _TITLE)
        axes = _axes(table.columns)
        if sorted(name[0].casefold() for name in axes) != ["x", "y"] or len({*axes.values()}) != 1:
            raise AnnotationError(
                f"not a {_TITLE} file",
                where=path.name,
                found=f"the columns {', '.join(table.columns)}"[:200],
                allowed="x_px and y_px, level-0 pixels, or x_um and y_um; class; id, probability",
                remedy="say the unit in the header: which one it is cannot be seen",
            )
        unit_um = 1.0 if {*axes.values()} == {_MICROMETRES} else None
        reader = FeatureReader(context, report, context.placement(unit_um=unit_um))
        for column in table.columns:
            if column not in axes and column not in _OTHERS:
                report.lose(f"the column {shown(column)}", path.name, times=len(table.rows))
        yield from reader.annotations(_features(table, axes, path.name))

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write points; of outlines and lines their centres, and say so."""
        where, count, unit = context.placement(), 0, self._unit
        if unit == _MICROMETRES:
            where = placement(known_frame(context.frame, self.title), context.corner, 1.0)
        with writing_text(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", f"x_{unit}", f"y_{unit}", "class", "probability"))
            for annotation in annotations:
                report_losses(annotation, self.cannot_carry, report)
                label = context.ontology[annotation.label].key
                geometry = annotation.geometry
                if shape_of(geometry) is not Part.POINTS:
                    geometry = geometry.centroid
                share = "" if annotation.confidence is None else annotation.confidence
                for x, y in shapely.get_coordinates(where.from_level_0(geometry)).tolist():
                    writer.writerow((annotation.id, x, y, label, share))
                count += 1
        return count


FORMAT = PointsCsv(_PIXELS)
FORMAT_UM = PointsCsv(_MICROMETRES)


def _axes(columns: Iterable[str]) -> dict[str, str]:
    """Unit of each column that is a coordinate."""
    found = {name: _AXIS.fullmatch(name.casefold()) for name in columns}
    return {
        name: _PIXELS if match[2] == _PIXELS else _MICROMETRES
        for name, match in found.items()
        if match is not None
    }


def _features(table: Table, axes: dict[str, str], name: str) -> Iterator[Feature]:
    x, y = sorted(axes, key=str.casefold)
    points: list[tuple[float, float]] = []
    before: tuple[int, dict[str, str]] | None = None
    for line, row in table.rows:
        with naming(f"{name} line {line}"):
            point = (_number("x", row[x]), _number("y", row[y]))
        if before is not None and not _is_same(before[1], row):
            yield _feature(before, points, name)
            points = []
        if not points:
            before = (line, row)
        points.append(point)
    if before is not None:
        yield _feature(before, points, name)


def _is_same(before: dict[str, str], row: dict[str, str]) -> bool:
    identity = row.get("id", "")
    return identity != "" and all(before.get(key) == row.get(key) for key in _OTHERS)


def _feature(
    first: tuple[int, dict[str, str]], points: list[tuple[float, float]], name: str
) -> Feature:
    line, row = first
    where = f"{name} line {line}"
    share = row.get("probability", "")
    with naming(where):
        confidence = _number("probability", share) if share else None
    geometry = Point(points[0]) if len(points) == 1 else MultiPoint(points)
    return Feature(where, geometry, row["class"] or None, row.get("id", ""), confidence)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise AnnotationError(f"{name} is no number", found=text) from error
