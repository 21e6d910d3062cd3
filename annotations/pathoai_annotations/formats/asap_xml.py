"""XML of ASAP, the annotation tool of Radboud UMC (``ASAP_Annotations``), in level-0 pixels.

ASAP knows rings, dots and sets of points in groups, and no holes. As in CAMELYON's data, a hole is
a ring in a group of its own; ours is called ``holes``, and names the outline it is cut out of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPoint, Point
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.ontology import Ontology
from pathoai.privacy.shown import shown
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.outline_rings import (
    Ring,
    assemble,
    leave_out_homeless,
    owner_in,
    rings_of,
)
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses, shape_of
from pathoai_annotations.formats.text_file import head_of, writing_text
from pathoai_annotations.formats.xml_events import Start, attribute, xml_events

_TITLE, _ROOT = "ASAP XML", "ASAP_Annotations"
_HOLES = "holes"
_HOLE_GROUPS = frozenset({_HOLES, "hole", "exclusion", "_2"})
"""``_2`` is CAMELYON's: "areas which have been cut out from the original annotations"."""
_NO_GROUP = frozenset({"", "None"})
_AREAS = frozenset({"Polygon", "Rectangle", "Spline"})
_NO_AREAS = frozenset({"Measurement", "None"})
"""Types that ASAP writes too, and no annotation here can be."""


class AsapXml:
    """The format ``asap-xml``."""

    title = _TITLE
    suffixes: tuple[str, ...] = (".xml",)
    reads = writes = True
    cannot_carry: frozenset[Part] = JUDGEMENT | {
        Part.LINES,
        Part.PROBABILITY,
        Part.SOURCE,
        Part.MEASUREMENTS,
    }

    def recognises(self, path: Path) -> bool:
        """True where the first part of the file names ASAP."""
        return f"<{_ROOT}".encode() in head_of(path)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file; holes are cut out of what they lie in."""
        reader = FeatureReader(context, report, context.placement())
        marks = list(_marks(path))
        yield from reader.annotations(_features(marks, context, report))

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations; lines are left out, and said."""
        placement, count = context.placement(), 0
        groups: dict[str, str] = {}
        with writing_text(path) as file:
            file.write(f'<?xml version="1.0"?>\n<{_ROOT}>\n <Annotations>\n')
            for annotation in annotations:
                report_losses(annotation, self.cannot_carry, report)
                if shape_of(annotation.geometry) is Part.LINES:
                    continue
                label = context.ontology[annotation.label]
                groups[label.key] = label.colour
                outline = placement.from_level_0(annotation.geometry)
                for text in _elements(annotation, outline, context.ontology):
                    file.write(text)
                count += 1
            file.write(" </Annotations>\n <AnnotationGroups>\n")
            for name, colour in {**groups, _HOLES: "#ffffff"}.items():
                marks = attribute("Name", name) + attribute("PartOfGroup", "None")
                file.write(f"  <Group{marks}{attribute('Color', colour)}><Attributes/></Group>\n")
            file.write(f" </AnnotationGroups>\n</{_ROOT}>\n")
        return count


FORMAT = AsapXml()


def _elements(annotation: Annotation, outline: BaseGeometry, ontology: Ontology) -> Iterator[str]:
    label, name = ontology[annotation.label], str(annotation.id)
    if shape_of(outline) is Part.POINTS:
        kind = "Dot" if outline.geom_type == "Point" else "PointSet"
        yield _element(name, kind, (label.key, label.colour), shapely.get_coordinates(outline))
        return
    for corners, is_hole in rings_of(outline):
        group = (_HOLES, "#ffffff") if is_hole else (label.key, label.colour)
        yield _element(f"{name} hole" if is_hole else name, "Polygon", group, corners)


def _element(name: str, kind: str, group: tuple[str, str], corners: NDArray[np.float64]) -> str:
    marks = {"Name": name, "Type": kind, "PartOfGroup": group[0], "Color": group[1]}
    head = "".join(attribute(key, value) for key, value in marks.items())
    points = "".join(
        f'   <Coordinate Order="{order}" X="{x!r}" Y="{y!r}"/>\n'
        for order, (x, y) in enumerate(corners.tolist())
    )
    return f"  <Annotation{head}><Coordinates>\n{points}  </Coordinates></Annotation>\n"


@dataclass(frozen=True, eq=False, slots=True)
class _Mark:
    """One element ``Annotation``; its points are ``(N, 2)`` in the file's coordinates."""

    where: str
    attributes: dict[str, str]
    points: NDArray[np.float64]

    @property
    def kind(self) -> str:
        return self.attributes.get("Type", "Polygon")

    @property
    def group(self) -> str:
        return self.attributes.get("PartOfGroup", "").strip()


def _marks(path: Path) -> Iterator[_Mark]:
    count, where, attributes = 0, "", {}
    corners: list[tuple[int, float, float]] = []
    for event in xml_events(path, _ROOT, _TITLE):
        if event.tag == "Annotation":
            if isinstance(event, Start):
                count += 1
                where, attributes = f"{path.name} annotation {count}", event.attributes
                corners.clear()
            else:
                yield _Mark(where, attributes, _in_order(corners))
        elif event.tag == "Coordinate" and isinstance(event, Start):
            with naming(where):
                corners.append(_corner(event.attributes, len(corners)))


def _corner(attributes: dict[str, str], place: int) -> tuple[int, float, float]:
    try:
        order = int(attributes.get("Order", place))
        return order, float(attributes["X"]), float(attributes["Y"])
    except (KeyError, ValueError) as error:
        raise AnnotationError("malformed geometry", found=f"a coordinate: {error}") from error


def _in_order(corners: list[tuple[int, float, float]]) -> NDArray[np.float64]:
    in_order = sorted(corners, key=lambda corner: corner[0])
    return np.array([corner[1:] for corner in in_order], np.float64).reshape(-1, 2)


def _features(
    marks: list[_Mark], context: ReadingContext, report: ExchangeReport
) -> Iterator[Feature]:
    areas = [mark for mark in marks if mark.kind in _AREAS]
    rings = [
        Ring(m.where, m.points, _is_hole(m, context), owner_in(m.attributes.get("Name", "")))
        for m in areas
    ]
    outlines, homeless = assemble(rings)
    leave_out_homeless(homeless, context, report)
    for place, outline in outlines:
        if areas[place].kind == "Spline":
            report.lose("curves of splines, whose corners are joined", rings[place].where)
        yield _feature(areas[place], outline)
    for mark in marks:
        if mark.kind == "Dot" and len(mark.points) == 1:
            yield _feature(mark, Point(mark.points[0]))
        elif mark.kind in ("Dot", "PointSet"):
            yield _feature(mark, MultiPoint(mark.points))
        elif mark.kind not in _AREAS:
            kind = mark.kind if mark.kind in _NO_AREAS else shown(mark.kind)
            report.lose(f"annotations of type {kind}", mark.where)


def _is_hole(mark: _Mark, context: ReadingContext) -> bool:
    return mark.group not in context.classes and mark.group.casefold() in _HOLE_GROUPS


def _feature(mark: _Mark, outline: BaseGeometry) -> Feature:
    name = mark.attributes.get("Name", "")
    group = None if mark.group in _NO_GROUP else mark.group
    return Feature(mark.where, outline, group, owner_in(name) or name)
