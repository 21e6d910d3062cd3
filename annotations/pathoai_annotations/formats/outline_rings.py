"""Outlines as single rings, for programs that know no holes, and back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport

_LARGER = 1 + 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Ring:
    """One closed line of a file.

    Args:
        where: Its place in the file.
        corners: ``(N, 2)``, the file's coordinates; the first need not be repeated.
        is_hole: True where it is cut out.
        owner: What rings of one outline have in common; empty where the file does not say: then
            each ring that is no hole is an outline, and holes are cut out of what they lie in.
    """

    where: str
    corners: NDArray[np.float64]
    is_hole: bool = False
    owner: str = ""


def rings_of(geometry: Polygon | MultiPolygon) -> Iterator[tuple[NDArray[np.float64], bool]]:
    """Corners of each ring, the first not repeated, and whether it is a hole.

    A hole comes after the shell that it lies in.
    """
    for part in shapely.get_parts(geometry):
        yield shapely.get_coordinates(part.exterior)[:-1], False
        for hole in part.interiors:
            yield shapely.get_coordinates(hole)[:-1], True


def owner_in(text: str) -> str:
    """The id with which a text begins; empty where it begins with none."""
    first = text.split(" ", 1)[0]
    try:
        return str(uuid.UUID(first))
    except ValueError:
        return ""


def assemble(rings: Sequence[Ring]) -> tuple[list[tuple[int, BaseGeometry]], list[Ring]]:
    """Outlines with holes from rings.

    Args:
        rings: In the order of the file.

    Returns:
        Position of an outline's first ring and the outline, in the order of the file; and holes
        that lie in nothing.
    """
    groups: dict[str, list[int]] = {}
    for position, ring in enumerate(rings):
        if not ring.is_hole:
            groups.setdefault(ring.owner or f"#{position}", []).append(position)
    holes: dict[str, list[int]] = {}
    for position, ring in enumerate(rings):
        if ring.is_hole:
            # What belongs to an outline that is not there lies, perhaps, in another.
            holes.setdefault(ring.owner if ring.owner in groups else "", []).append(position)
    free = [places for owner, places in groups.items() if owner not in holes]
    homes, homeless = _homes(rings, [at for places in free for at in places], holes.pop("", []))
    for owner, places in holes.items():
        owned, lost = _homes(rings, groups[owner], places)
        homes.update(owned)
        homeless.extend(lost)
    outlines = [(places[0], _outline(rings, places, homes)) for places in groups.values()]
    return sorted(outlines, key=lambda found: found[0]), [rings[at] for at in sorted(homeless)]


def leave_out_homeless(
    holes: Sequence[Ring], context: ReadingContext, report: ExchangeReport
) -> None:
    """Leave out holes that lie in no outline, which only a repair does.

    Raises:
        AnnotationError: Nothing may be mended.
    """
    for hole in holes:
        if not context.repair:
            raise AnnotationError(
                "a hole that lies in no outline",
                where=hole.where,
                remedy="draw what it is cut out of, or say --repair",
            )
        report.mend("a hole that lies in no outline, left out", hole.where)


def _homes(
    rings: Sequence[Ring], shells: list[int], holes: list[int]
) -> tuple[dict[int, list[int]], list[int]]:
    """Holes by the smallest shell that they lie in, and those that lie in none."""
    homes: dict[int, list[int]] = {}
    if not holes:
        return homes, []
    areas = [_polygon(rings[at].corners) for at in shells]
    tree = shapely.STRtree(areas)
    homeless = []
    for at in holes:
        hole = _polygon(rings[at].corners)
        around = [
            i
            for i in tree.query(hole).tolist()
            if areas[i].area > hole.area * _LARGER
            and shapely.intersects_xy(areas[i], rings[at].corners).all()
        ]
        if around:
            home = min(around, key=lambda i: areas[i].area)
            homes.setdefault(shells[home], []).append(at)
        else:
            homeless.append(at)
    return homes, homeless


def _outline(rings: Sequence[Ring], shells: list[int], homes: dict[int, list[int]]) -> BaseGeometry:
    parts = [
        _polygon(rings[at].corners, [rings[hole].corners for hole in homes.get(at, [])])
        for at in shells
    ]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _polygon(corners: NDArray[np.float64], holes: Sequence[NDArray[np.float64]] = ()) -> Polygon:
    """Fewer than three corners enclose nothing; nor does a hole of so few take anything away."""
    if len(corners) < 3:
        return Polygon()
    # A coordinate that is no number is refused later, by an error, not by a warning.
    with np.errstate(invalid="ignore"):
        return Polygon(corners, [hole for hole in holes if len(hole) >= 3])
