"""The geometry of a GeoJSON feature (RFC 7946): refused where not sound; what is mended is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.exchange_report import ExchangeReport

# What shapely raises beside its own errors for coordinates of a wrong type, nesting or size.
_NO_GEOMETRY = (ValueError, TypeError, AttributeError, LookupError, OverflowError)


def parsed_geometry(raw: object, where: str, report: ExchangeReport) -> BaseGeometry:
    """The geometry of a feature, in the file's coordinates.

    Args:
        raw: As decoded from JSON.
        where: The feature's place in the file.
        report: Told of rings that had to be closed.

    Raises:
        AnnotationError: There is none, or it is malformed, or in coordinates of the globe.
    """
    if raw is None:
        raise AnnotationError("a feature without geometry")
    if isinstance(raw, dict):
        refuse_crs(raw.get("crs"))
    for coordinates in _all_coordinates(raw):
        _check_numbers(coordinates)
    try:
        # A coordinate that is no number is refused later, by an error, not by a warning.
        with np.errstate(invalid="ignore"):
            geometry: BaseGeometry = shapely.geometry.shape(raw)
    except (*_NO_GEOMETRY, shapely.errors.ShapelyError) as error:
        raise AnnotationError("malformed geometry", found=str(error)) from error
    if any(_is_open(ring) for ring in _rings(raw)):
        report.mend("an outline whose ring was open, closed", where)
    return geometry


def refuse_crs(crs: object) -> None:
    """Refuse coordinates of a coordinate reference system: a slide has none.

    Args:
        crs: The member ``crs``, as GeoJSON of 2008 had it; None says that there is none.

    Raises:
        AnnotationError: One is stated.
    """
    if crs is not None:
        raise AnnotationError(
            "the coordinates are of a map, not of a slide",
            found="a coordinate reference system (crs)",
            allowed="pixels of the slide",
            remedy="export it without one; if the coordinates are pixels, take the member crs out",
        )


def _all_coordinates(raw: object) -> Iterator[object]:
    """Those of a geometry, and of all in a collection of geometries."""
    if not isinstance(raw, dict):
        return
    if "coordinates" in raw:
        yield raw["coordinates"]
    inner = raw.get("geometries")
    for one in inner if isinstance(inner, list) else ():
        yield from _all_coordinates(one)


def _check_numbers(coordinates: object) -> None:
    """Refuse texts and truths among numbers, which shapely would take for numbers."""
    level: Sequence[Any] = [coordinates]
    while (kinds := set(map(type, level))) == {list}:
        level = list(chain.from_iterable(level))
    if not kinds <= {int, float}:
        raise AnnotationError("malformed geometry", found="a coordinate that is no number")


def _rings(raw: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON that shapely took for a geometry
    if raw.get("type") == "Polygon":
        yield from raw["coordinates"]
    elif raw.get("type") == "MultiPolygon":
        for part in raw["coordinates"]:
            yield from part
    for one in raw.get("geometries") or ():
        yield from _rings(one)


def _is_open(ring: Sequence[Any]) -> bool:
    return bool(ring) and ring[0] != ring[-1]
