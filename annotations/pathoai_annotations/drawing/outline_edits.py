"""What drawing does to an annotation's area: add, subtract, fill, split, merge, simplify.

Areas are polygons and multipolygons, with holes, in level-0 pixels. Set operations are exact but
for the rounding of coordinates where lines cross.
"""

from __future__ import annotations

from collections.abc import Sequence

import shapely
from shapely import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError

_FEWEST_TO_MERGE = 2


def areas_of(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of a geometry, those within collections included; points and lines have none."""
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    if not hasattr(geometry, "geoms"):
        return []
    return [polygon for part in geometry.geoms for polygon in areas_of(part)]


def joined(parts: Sequence[Polygon]) -> BaseGeometry | None:
    """One area of polygons that do not overlap; None where there are none."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def united(geometries: Sequence[BaseGeometry]) -> BaseGeometry | None:
    """The area that any of some geometries holds; None where none holds any."""
    whole = shapely.union_all([part for one in geometries for part in areas_of(one)])
    return joined(areas_of(whole))


def added(geometry: BaseGeometry, area: BaseGeometry) -> BaseGeometry:
    """An area together with another one.

    Raises:
        AnnotationError: Neither holds an area.
    """
    whole = united([geometry, area])
    if whole is None:
        raise AnnotationError("nothing was drawn", found="no area")
    return whole


def subtracted(
    geometry: BaseGeometry, area: BaseGeometry, *, smallest_area: float = 0.0
) -> BaseGeometry | None:
    """An area without another one; it may fall into several parts.

    Args:
        geometry: What something is taken from.
        area: What is taken.
        smallest_area: Of a part that is kept, level-0 pixels²: crumbs between a stroke and an
            outline are nobody's intention.

    Returns:
        What is left; None where nothing is.
    """
    left = shapely.difference(geometry, area)
    return joined([part for part in areas_of(left) if part.area > smallest_area])


def without_holes(geometry: BaseGeometry, at: Point | None = None) -> BaseGeometry:
    """An area whose holes are filled, and with them what lay in them.

    Args:
        geometry: The area.
        at: A place in the one hole to fill; all of them where None.

    Raises:
        AnnotationError: There is no hole, or none at that place.
    """
    holes = holes_at(geometry, at)
    if not holes:
        raise AnnotationError("no hole to fill", found="an area without a hole there")
    return added(geometry, shapely.union_all(holes))


def holes_at(geometry: BaseGeometry, at: Point | None = None) -> list[Polygon]:
    """The holes of an area; where a place is given, those in which it lies."""
    holes = [Polygon(ring) for part in areas_of(geometry) for ring in part.interiors]
    return holes if at is None else [hole for hole in holes if hole.intersects(at)]


def split_by(
    geometry: BaseGeometry, line: LineString, *, smallest_area: float = 0.0
) -> tuple[BaseGeometry, ...]:
    """The pieces into which a line cuts an area, the largest first.

    Parts that the line does not cut, and pieces that are too small, stay with the largest piece,
    which is what the annotation keeps.

    Args:
        geometry: The area.
        line: What was drawn; only where it crosses an area from edge to edge does it cut.
        smallest_area: Of a piece of its own, level-0 pixels².

    Returns:
        Two pieces or more, which together are the area.

    Raises:
        AnnotationError: The line cuts nothing off.
    """
    pieces: list[Polygon] = []
    uncut: list[Polygon] = []
    for part in areas_of(geometry):
        found = _cut(part, line)
        (pieces if len(found) > 1 else uncut).extend(found)
    pieces.sort(key=lambda piece: float(piece.area), reverse=True)
    own = [piece for piece in pieces[1:] if piece.area > smallest_area]
    if not own:
        raise AnnotationError(
            "the line cuts nothing off",
            allowed="a line across the annotation, from outside to outside",
        )
    crumbs = [piece for piece in pieces[1:] if piece.area <= smallest_area]
    kept = united([pieces[0], *uncut, *crumbs])
    assert kept is not None  # it holds the largest piece
    return (kept, *own)


def merged(geometries: Sequence[BaseGeometry]) -> BaseGeometry:
    """The one area of several annotations.

    Raises:
        AnnotationError: There are fewer than two, or one is no area.
    """
    if len(geometries) < _FEWEST_TO_MERGE or not all(areas_of(one) for one in geometries):
        raise AnnotationError(
            "merging takes two areas or more",
            found=", ".join(sorted({str(one.geom_type) for one in geometries})) or "none",
            remedy="select several annotations of one class",
        )
    whole = united(geometries)
    assert whole is not None  # each of them is an area
    return whole


def simplified(geometry: BaseGeometry, tolerance: float) -> BaseGeometry:
    """An outline with fewer vertices, nowhere farther than ``tolerance`` from the former one.

    Vertices are left out as Douglas and Peucker do (Cartographica 10, 1973), but none whose
    absence would make rings cross. Where parts of the result would meet, all stays as it was.

    Args:
        geometry: The area.
        tolerance: Level-0 pixels.
    """
    simple = shapely.simplify(geometry, tolerance, preserve_topology=True)
    is_sound = simple.is_valid and len(areas_of(simple)) == len(areas_of(geometry))
    return simple if is_sound else geometry


def _cut(part: Polygon, line: LineString) -> list[Polygon]:
    """The pieces of one polygon; the polygon itself where the line does not cut it."""
    # Noding all lines together gives every region that they bound, holes and loops among them.
    lines = shapely.union_all([part.boundary, line])
    regions = areas_of(shapely.polygonize(shapely.get_parts(lines)))
    found = [one for one in regions if part.contains(one.representative_point())]
    return found if len(found) > 1 else [part]
