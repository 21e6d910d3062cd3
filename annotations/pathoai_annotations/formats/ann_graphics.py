"""Outlines as the graphics of DICOM bulk annotations, and back (PS3.3 C.37.1.2).

A DICOM polygon is one ring. A hole is joined to it by a line that is walked in and out (a keyhole,
as PS3.3 C.8.8.6.3 has it for contours), so that area and filling stay what they were; a reader that
knows where the holes begin takes them out again, and one that does not mends the ring. Parts of an
outline become graphics of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from pathoai.errors import AnnotationError

POINT, POLYLINE, POLYGON = "POINT", "POLYLINE", "POLYGON"
ELLIPSE, RECTANGLE = "ELLIPSE", "RECTANGLE"
_ELLIPSE_POINTS = 128
_FEWEST = {POINT: 1, POLYLINE: 2, POLYGON: 3, ELLIPSE: 4, RECTANGLE: 4}
_BRIDGE = 2
"""Points that a keyhole adds to those of its hole: back to its start, and back to the ring."""

Hole = tuple[int, int]
"""Where in a ring the points of a hole begin, and how many they are."""


@dataclass(frozen=True, slots=True)
class Graphic:
    """One graphic.

    Args:
        kind: Its graphic type.
        points: ``(N, 2)`` float64; the first point of a polygon is not repeated.
        holes: Of a polygon.
    """

    kind: str
    points: NDArray[np.float64]
    holes: tuple[Hole, ...] = ()


def graphics_of(geometry: BaseGeometry) -> list[Graphic]:
    """The graphics of an outline: one, or one for each of its parts."""
    return [_graphic(part) for part in shapely.get_parts(geometry)]


def _graphic(part: BaseGeometry) -> Graphic:
    if part.geom_type == "Polygon":
        points, holes = _with_keyholes(orient(part))
        return Graphic(POLYGON, points, holes)
    kind = POINT if part.geom_type == "Point" else POLYLINE
    return Graphic(kind, shapely.get_coordinates(part))


def _with_keyholes(polygon: shapely.Polygon) -> tuple[NDArray[np.float64], tuple[Hole, ...]]:
    exterior, *holes = (shapely.get_coordinates(r)[:-1] for r in shapely.get_rings(polygon))
    doors = [int(np.argmin(np.hypot(*(exterior - hole[0]).T))) for hole in holes]
    parts, places, done, shift = [], [], 0, 0
    for number in np.argsort(doors, kind="stable"):
        door, hole = doors[number], holes[number]
        parts += [exterior[done : door + 1], hole, hole[:1], exterior[door : door + 1]]
        places.append((door + 1 + shift, len(hole)))
        done, shift = door + 1, shift + len(hole) + _BRIDGE
    return np.concatenate([*parts, exterior[done:]]), tuple(places)


def outline_of(kind: str, points: NDArray[np.float64], holes: Sequence[Hole] = ()) -> BaseGeometry:
    """The outline that a graphic is; of an ellipse, a polygon of 128 points.

    Args:
        kind: Its graphic type.
        points: ``(N, 2)`` float64.
        holes: Of a polygon, where it is known that they were joined to the ring.

    Raises:
        AnnotationError: It is of an unknown type, or has too few points.
    """
    if kind not in _FEWEST:
        raise AnnotationError("unknown graphic type", found=kind, allowed=", ".join(_FEWEST))
    if len(points) < _FEWEST[kind]:
        raise AnnotationError("too few points", found=f"{kind} of {len(points)}")
    if kind == POINT:
        return shapely.Point(points[0])
    if kind == POLYLINE:
        return shapely.LineString(points)
    if kind == ELLIPSE:
        return shapely.Polygon(_ellipse(points))
    return _without_keyholes(points, holes)


def _without_keyholes(points: NDArray[np.float64], holes: Sequence[Hole]) -> shapely.Polygon:
    taken = []
    for start, count in reversed(holes):
        if not 0 < start < start + count + _BRIDGE <= len(points):
            raise AnnotationError("a hole lies beyond its ring", found=f"{start}, {count}")
        taken.append(points[start : start + count])
        points = np.delete(points, slice(start, start + count + _BRIDGE), axis=0)
    return shapely.Polygon(points, taken[::-1])


def _ellipse(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the ends of its long and of its short axis."""
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)[:, None]
    half_long, half_short = (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2
    return np.asarray(ends[:2].mean(axis=0) + np.cos(turn) * half_long + np.sin(turn) * half_short)
