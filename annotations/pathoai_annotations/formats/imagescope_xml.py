"""XML of Aperio ImageScope, in level-0 pixels: a layer for each class, holes as negative regions.

ImageScope shows regions of a layer in one colour, and has a table of attributes for each region:
that is where what it does not know of stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.imagescope_writing import (
    MEASUREMENT,
    METADATA,
    PROBABILITY,
    ROOT,
    write_layers,
)
from pathoai_annotations.formats.outline_rings import Ring, assemble, leave_out_homeless, owner_in
from pathoai_annotations.formats.part import Part, report_losses, shape_of
from pathoai_annotations.formats.text_file import head_of, writing_text
from pathoai_annotations.formats.xml_events import End, Start, xml_events

_TITLE = "Aperio ImageScope XML"
_POLYGON, _RECTANGLE, _ELLIPSE = "0", "1", "2"
_AREAS = frozenset({_POLYGON, _RECTANGLE, _ELLIPSE})
_ELLIPSE_CORNERS = 64
_CORNERS_OF_BOX = 4
_SCALE_TOLERANCE = 0.05


class ImageScopeXml:
    """The format ``imagescope-xml``."""

    title = _TITLE
    suffixes: tuple[str, ...] = (".xml",)
    reads = writes = True
    cannot_carry: frozenset[Part] = frozenset({Part.POINTS, Part.LINES})

    def recognises(self, path: Path) -> bool:
        """True where the first part of the file has ImageScope's root."""
        head = head_of(path)
        return f"<{ROOT}".encode() in head and b"<ASAP_" not in head

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file; negative regions are cut out of what they lie in."""
        reader = FeatureReader(context, report, context.placement())
        for layer in _layers(path, context):
            yield from reader.annotations(_features(layer, context, report))

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations; points and lines are left out, and said."""
        count = 0

        def areas() -> Iterator[Annotation]:
            nonlocal count
            for annotation in annotations:
                report_losses(annotation, self.cannot_carry, report)
                if shape_of(annotation.geometry) is Part.AREAS:
                    count += 1
                    yield annotation

        with writing_text(path) as file:
            write_layers(file, areas(), context, report)
        return count


FORMAT = ImageScopeXml()


@dataclass(eq=False, slots=True)
class _Region:
    """One element ``Region``: its own attributes, the table of others, and ``(N, 2)`` corners."""

    where: str
    attributes: dict[str, str]
    table: dict[str, str] = field(default_factory=dict)
    corners: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def kind(self) -> str:
        return self.attributes.get("Type", _POLYGON)

    @property
    def is_hole(self) -> bool:
        return self.attributes.get("NegativeROA", "0") == "1"


@dataclass(eq=False, slots=True)
class _Layer:
    """One element ``Annotation``."""

    attributes: dict[str, str]
    words: list[str] = field(default_factory=list)
    regions: list[_Region] = field(default_factory=list)


class _LayerParser:
    """Gathers a layer from what begins and ends."""

    def __init__(self, path: Path) -> None:
        self._name, self._count = path.name, 0
        self.layer: _Layer | None = None
        self._region: _Region | None = None
        self._corners: list[tuple[float, float]] = []

    def start(self, event: Start) -> None:
        attributes = event.attributes
        if event.tag == "Annotation":
            self.layer = _Layer(attributes)
        elif self.layer is None:
            return
        elif event.tag == "Region":
            self._count += 1
            self._region = _Region(f"{self._name} region {self._count}", attributes)
            self._corners = []
        elif event.tag == "Vertex" and self._region is not None:
            with naming(self._region.where):
                self._corners.append(_corner(attributes))
        elif event.tag == "Attribute" and self._region is not None:
            self._region.table[attributes.get("Name", "")] = attributes.get("Value", "")
        elif event.tag == "Attribute":
            self.layer.words.extend(attributes.get(key, "") for key in ("Value", "Name"))

    def end(self, tag: str) -> None:
        if tag == "Region" and self.layer is not None and self._region is not None:
            self._region.corners = np.array(self._corners, np.float64).reshape(-1, 2)
            self.layer.regions.append(self._region)
            self._region = None


def _layers(path: Path, context: ReadingContext) -> Iterator[_Layer]:
    parser = _LayerParser(path)
    for event in xml_events(path, ROOT, _TITLE):
        if isinstance(event, End):
            parser.end(event.tag)
            if event.tag == "Annotation" and parser.layer is not None:
                yield parser.layer
        elif event.tag == ROOT:
            _check_scale(event.attributes.get("MicronsPerPixel", ""), context, path.name)
        else:
            parser.start(event)


def _corner(attributes: dict[str, str]) -> tuple[float, float]:
    try:
        return float(attributes["X"]), float(attributes["Y"])
    except (KeyError, ValueError) as error:
        raise AnnotationError("malformed geometry", found=f"a vertex: {error}") from error


def _check_scale(stated: str, context: ReadingContext, where: str) -> None:
    """Outlines of another scale are those of another slide."""
    if context.frame is None or context.mpp is not None:
        return
    try:
        scale = float(stated)
    except ValueError:
        return  # left empty where ImageScope did not know it
    known = context.frame.mpp.mean
    if scale and abs(scale / known - 1) > _SCALE_TOLERANCE:
        raise AnnotationError(
            "the file is of a slide of another scale",
            where=where,
            found=f"{scale:g} µm per pixel",
            allowed=f"{known:g} µm per pixel",
            remedy="choose its slide with --slide, or say --mpp with the scale of its coordinates",
        )


def _features(layer: _Layer, context: ReadingContext, report: ExchangeReport) -> Iterator[Feature]:
    areas = [region for region in layer.regions if region.kind in _AREAS]
    rings = [
        Ring(r.where, _area(r, report), r.is_hole, owner_in(r.table.get("id", ""))) for r in areas
    ]
    outlines, homeless = assemble(rings)
    leave_out_homeless(homeless, context, report)
    for region in layer.regions:
        if region.kind not in _AREAS:
            report.lose("ImageScope's arrows and rulers", region.where)
    for place, outline in outlines:
        yield _feature(layer, areas[place], outline, context, report)


def _area(region: _Region, report: ExchangeReport) -> NDArray[np.float64]:
    """Corners of a region; ellipses and rectangles may be given by their box."""
    corners = region.corners
    if not 1 < len(corners) <= _CORNERS_OF_BOX or region.kind == _POLYGON:
        return corners
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if region.kind == _RECTANGLE and len(corners) == _CORNERS_OF_BOX:
        return corners  # perhaps a turned one
    if region.kind == _RECTANGLE:
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    report.lose("ellipses, which stay as polygons", region.where)
    turn = np.arange(_ELLIPSE_CORNERS) * 2 * np.pi / _ELLIPSE_CORNERS
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return (
        np.asarray((left + right, top + bottom) + circle * (right - left, bottom - top), np.float64)
        / 2
    )


def _feature(
    layer: _Layer,
    region: _Region,
    outline: BaseGeometry,
    context: ReadingContext,
    report: ExchangeReport,
) -> Feature:
    name = _class_name(layer, region, context)
    text = region.attributes.get("Text", "")
    if text not in ("", name):
        report.lose("ImageScope's text of a region", region.where)
    measurements = {}
    confidence = None
    for key, value in region.table.items():
        with naming(region.where):
            if key == PROBABILITY:
                confidence = _number(key, value)
            elif key.startswith(MEASUREMENT):
                measurements[key.removeprefix(MEASUREMENT)] = _number("a measurement", value)
            elif key not in METADATA and value:
                report.lose("ImageScope's attributes", region.where)
    metadata = {key: region.table[key] for key in METADATA if key in region.table}
    return Feature(
        region.where,
        outline,
        name,
        region.table.get("id", ""),
        confidence,
        measurements,
        metadata,
    )


def _class_name(layer: _Layer, region: _Region, context: ReadingContext) -> str | None:
    """The layer's name, or what else people write where a name could stand."""
    words = [layer.attributes.get("Name", ""), *layer.words, region.attributes.get("Text", "")]
    named = next((w.strip() for w in words if w.strip() not in ("", "Description")), None)
    # Layers are often told apart by nothing but their number.
    number = f"layer {layer.attributes.get('Id', '')}"
    return number if number in context.classes else named


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise AnnotationError(f"{name} is no number", found=value) from error
