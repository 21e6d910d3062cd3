"""What an annotation consists of, as far as formats differ in what they have a place for."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from shapely.geometry.base import BaseGeometry

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.exchange_report import ExchangeReport


class Part(StrEnum):
    """A part of an annotation, in the words of reports and of ``pathoai annotations formats``."""

    IDENTITY = "identity"
    CLASS = "class beyond its grade"
    POINTS = "points"
    LINES = "lines"
    AREAS = "outlines of areas"
    SEVERAL = "outlines of several parts"
    HOLES = "holes"
    ORIGIN = "origin"
    AUTHOR = "author"
    STATUS = "status"
    PROBABILITY = "probability"
    SOURCE = "what it was made from"
    MEASUREMENTS = "measurements"


JUDGEMENT = frozenset({Part.ORIGIN, Part.AUTHOR, Part.STATUS})
"""Who stands behind an annotation: formats of other programs rarely ask."""
_SHAPES = {"Point": Part.POINTS, "MultiPoint": Part.POINTS, "LineString": Part.LINES}


def parts_of(annotation: Annotation) -> frozenset[Part]:
    """The parts that an annotation has, and that a format could lose."""
    parts = {Part.IDENTITY, *JUDGEMENT, shape_of(annotation.geometry)}
    if annotation.geometry.geom_type.startswith("Multi"):
        parts.add(Part.SEVERAL)
    if _has_holes(annotation.geometry):
        parts.add(Part.HOLES)
    if annotation.confidence is not None:
        parts.add(Part.PROBABILITY)
    if annotation.derived_from is not None:
        parts.add(Part.SOURCE)
    if annotation.measurements:
        parts.add(Part.MEASUREMENTS)
    return frozenset(parts)


def shape_of(geometry: BaseGeometry) -> Part:
    """Points, a line or an area."""
    return _SHAPES.get(geometry.geom_type, Part.AREAS)


def report_losses(
    annotation: Annotation, cannot_carry: Collection[Part], report: ExchangeReport
) -> None:
    """Tell the report which parts of an annotation a format has no place for."""
    for part in sorted(parts_of(annotation).intersection(cannot_carry)):
        report.lose(part, str(annotation.id))


def _has_holes(geometry: BaseGeometry) -> bool:
    if geometry.geom_type == "Polygon":
        return bool(len(geometry.interiors))
    if geometry.geom_type == "MultiPolygon":
        return any(len(part.interiors) for part in geometry.geoms)
    return False
