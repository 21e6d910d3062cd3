"""Outlines of files: checked, and mended where the user asks for it."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.slide_frame import SlideFrame

_REPAIR = "mend it in the program that wrote it, or say --repair"
_LARGEST_SILENT = 1e-3
"""Programs round coordinates to two decimals, which can make an outline touch itself: so much of
its area may change before that is more than rounding."""
_BEYOND = "an outline whose coordinates are too large to reckon with"
_ROUNDING_PX = 0.01
"""Level-0 pixels: so far, rounding and changes of scale carry what ends at the border."""


def checked_outline(
    geometry: BaseGeometry,
    *,
    frame: SlideFrame | None,
    where: str,
    repair: ExchangeReport | None = None,
) -> BaseGeometry | None:
    """An outline that can be kept.

    Args:
        geometry: Level-0 pixels, finite coordinates.
        frame: Of its slide; where it is not known, nothing is off the slide.
        where: The feature's place in the file, for messages.
        repair: Told of what is mended; None where nothing may be.

    Returns:
        The outline, mended where needed; None where nothing of it is left, which only a repair
        does.

    Raises:
        AnnotationError: It is empty, crosses itself, has a hole outside of itself, or lies off the
            slide, and nothing may be mended.
    """
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        if repair is not None:
            repair.mend("an outline with a coordinate that is no finite number, left out", where)
            return None
        raise AnnotationError(
            "malformed geometry",
            where=where,
            found="a coordinate that is no finite number",
            remedy=_REPAIR,
        )
    if geometry.is_empty:
        _leave_out("empty geometry", where, repair)
        return None
    if not shapely.is_valid(geometry):
        mended = _mended(geometry, where, repair)
        if mended is None:
            return None
        geometry = mended
    return geometry if frame is None else _on_slide(geometry, frame, where, repair)


def _mended(
    geometry: BaseGeometry, where: str, repair: ExchangeReport | None
) -> BaseGeometry | None:
    """A valid outline of the same tissue; None where nothing of it is left."""
    # Coordinates far beyond any slide overflow; they are refused later, without a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            inside, outside = _without_holes_outside(geometry)
            mended = _valid(inside)
        except shapely.errors.GEOSException:
            _leave_out(_BEYOND, where, repair)
            return None
        reason = shapely.is_valid_reason(geometry)
    # The part of a hole that lies outside was taken from the area, and never was tissue.
    crosses = mended.is_empty or not _is_rounding(geometry.area + outside, mended.area)
    reaches_out = outside > _LARGEST_SILENT * mended.area
    if repair is None and (crosses or reaches_out):
        what = "the outline crosses itself" if crosses else "a hole lies outside of its outline"
        raise AnnotationError(what, where=where, found=reason, remedy=_REPAIR)
    if mended.is_empty:
        _leave_out("an outline without area", where, repair)
        return None
    if repair is not None and reaches_out:
        repair.mend("a hole, or a part of one, outside of its outline, left out", where)
    if repair is not None and crosses:
        repair.mend("an outline that crossed itself", where)
    return mended


def _without_holes_outside(geometry: BaseGeometry) -> tuple[BaseGeometry, float]:
    """The outline without holes that do not touch its tissue, and the area of holes beside it.

    Such holes must go first: GEOS would take them for further shells, that is for tissue.
    """
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return geometry, 0.0
    parts, outside = [], 0.0
    for part in shapely.get_parts(geometry):
        shell, kept = _valid(shapely.Polygon(part.exterior)), []
        for ring in part.interiors:
            hole = _valid(shapely.Polygon(ring))
            inside = shapely.intersection(hole, shell).area
            outside += hole.area - inside
            if inside > 0:
                kept.append(ring)
        parts.append(shapely.Polygon(part.exterior, kept))
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts), outside


def _valid(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.make_valid(geometry, method="structure", keep_collapsed=False)


def _is_rounding(before: float, after: float) -> bool:
    return abs(after - before) <= _LARGEST_SILENT * after


def _leave_out(what: str, where: str, repair: ExchangeReport | None) -> None:
    if repair is None:
        raise AnnotationError(what, where=where, remedy=_REPAIR)
    repair.mend(f"{what}, left out", where)


def _on_slide(
    geometry: BaseGeometry, frame: SlideFrame, where: str, repair: ExchangeReport | None
) -> BaseGeometry | None:
    width, height = frame.size.width, frame.size.height
    x0, y0, x1, y1 = geometry.bounds
    least, off = -_ROUNDING_PX, _ROUNDING_PX
    if x0 >= least and y0 >= least and x1 <= width + off and y1 <= height + off:
        return geometry
    if repair is None:
        raise AnnotationError(
            "an outline lies off the slide",
            where=where,
            found=f"x {x0:.2f} to {x1:.2f}, y {y0:.2f} to {y1:.2f}",
            allowed=f"x 0 to {width}, y 0 to {height}, level-0 pixels",
            remedy="check that it is this slide, and the frame of the file; or say --repair",
        )
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            inside = shapely.intersection(geometry, shapely.box(0, 0, width, height))
    except shapely.errors.GEOSException:
        _leave_out(_BEYOND, where, repair)
        return None
    # What a border cuts can leave lines and points beside areas.
    parts = shapely.get_parts(inside)
    kept = [p for p in parts if not p.is_empty and p.geom_type == _part_type(geometry)]
    if not kept:
        _leave_out("an outline off the slide", where, repair)
        return None
    repair.mend("an outline that reached off the slide, cut at its border", where)
    return kept[0] if len(kept) == 1 else shapely.union_all(kept)


def _part_type(geometry: BaseGeometry) -> str:
    return str(geometry.geom_type).removeprefix("Multi")
