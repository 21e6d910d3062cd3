"""Polygons with holes, and the plain outlines that napari edits.

Frames: geometries are in level-0 pixels (x, y); outlines are in level-0 pixels (y, x), napari's
order, without the closing point.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError

Outline = NDArray[np.float64]
"""``(N, 2)`` float64: y and x in level-0 pixels."""

_FEWEST_POINTS = 3
_SAME_STEP_PX = 0.05
"""Moved as a whole: napari's single precision rounds to 1/128 px at the far edge of a slide."""
_ELLIPSE_POINTS = 64
_SLIVER = 0.05
"""Of the area of the largest part: smaller parts of an outline that crosses itself are left."""


def parts_of(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of an area; none for points and lines."""
    if isinstance(geometry, Polygon):
        return [geometry]
    return list(geometry.geoms) if isinstance(geometry, MultiPolygon) else []


def vertices_of(polygon: Polygon) -> Outline:
    """The outer outline of a polygon."""
    return np.asarray(polygon.exterior.coords, np.float64)[:-1, 1::-1].copy()


def holes_of(polygon: Polygon) -> list[Outline]:
    """The outlines of its holes."""
    return [np.asarray(ring.coords, np.float64)[:-1, 1::-1].copy() for ring in polygon.interiors]


def as_displayed(outline: Outline) -> NDArray[np.float32]:
    """An outline as napari holds it: in single precision."""
    return np.asarray(outline, np.float32)


def with_exact_vertices(outline: Outline, former: Outline) -> Outline:
    """An edited outline whose untouched vertices have the full precision of the former one."""
    exact = {tuple(seen): kept for seen, kept in zip(as_displayed(former), former, strict=True)}
    found = [exact.get(tuple(seen)) for seen in as_displayed(outline)]
    pairs = zip(found, np.asarray(outline, np.float64), strict=True)
    return np.asarray([seen if kept is None else kept for kept, seen in pairs], np.float64)


def area_from(outline: Outline) -> Polygon | MultiPolygon:
    """The area inside an outline that was drawn; one that crosses itself has several parts.

    Raises:
        AnnotationError: It has fewer than three points, or encloses nothing.
    """
    if len(outline) < _FEWEST_POINTS:
        raise AnnotationError("an outline needs at least three points", found=len(outline))
    drawn = Polygon(np.asarray(outline, np.float64)[:, ::-1])
    if drawn.is_valid:
        return drawn
    pieces = shapely.get_parts(shapely.make_valid(drawn))
    repaired = [polygon for piece in pieces for polygon in parts_of(piece)]
    largest = max((float(part.area) for part in repaired), default=0.0)
    if largest == 0:
        raise AnnotationError("the outline encloses nothing")
    # A hand crosses its own line; the sliver behind the crossing is not meant, a lobe is.
    lobes = [part for part in repaired if part.area >= _SLIVER * largest]
    return lobes[0] if len(lobes) == 1 else MultiPolygon(lobes)


def ellipse_outline(corners: Outline) -> Outline:
    """The outline of the ellipse inside a box of four corners, as napari stores an ellipse."""
    centre = corners.mean(axis=0)
    along, across = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)[:, None]
    outline: Outline = centre + np.cos(turn) * along + np.sin(turn) * across
    return outline


def with_outline(geometry: BaseGeometry, part: int, outline: Outline) -> BaseGeometry:
    """An area with the outer outline of one of its parts replaced, and all holes kept.

    Args:
        geometry: Polygon or multipolygon.
        part: Which of its polygons.
        outline: The new outline of that polygon.

    Raises:
        AnnotationError: A hole would lie outside, or two parts would overlap.
    """
    parts = parts_of(geometry)
    parts[part : part + 1] = _around_holes(parts_of(area_from(outline)), parts[part])
    return _joined(parts)


def without_part(geometry: BaseGeometry, part: int) -> BaseGeometry | None:
    """An area less one of its parts; None where nothing is left."""
    parts = parts_of(geometry)
    del parts[part]
    return _joined(parts) if parts else None


def _around_holes(drawn: list[Polygon], former: Polygon) -> list[Polygon]:
    if not former.interiors:
        return drawn
    if len(drawn) == 1 and (step := _step_between(former, drawn[0])) is not None:
        return [translate(former, *step)]
    holes = [(ring, Polygon(ring)) for ring in former.interiors]
    changed = [
        Polygon(lobe.exterior, [*lobe.interiors, *(r for r, hole in holes if lobe.covers(hole))])
        for lobe in drawn
    ]
    kept = sum(len(part.interiors) for part in changed) - sum(len(p.interiors) for p in drawn)
    if kept < len(holes) or not all(part.is_valid for part in changed):
        raise AnnotationError(
            "a hole of the annotation would lie outside its new outline",
            allowed="an outline around all of its holes",
        )
    return changed


def _step_between(former: Polygon, drawn: Polygon) -> tuple[float, float] | None:
    """The x and y by which a polygon was moved as a whole; None where its shape changed."""
    before, after = (np.asarray(p.exterior.coords) for p in (former, drawn))
    if before.shape != after.shape:
        return None
    steps = after - before
    if np.abs(steps - steps[0]).max() > _SAME_STEP_PX:
        return None
    return float(steps[0, 0]), float(steps[0, 1])


def _joined(parts: list[Polygon]) -> BaseGeometry:
    if len(parts) == 1:
        return parts[0]
    joined = MultiPolygon(parts)
    if not joined.is_valid:
        raise AnnotationError("two parts of the annotation would overlap")
    return joined
