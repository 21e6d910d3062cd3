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
        AnnotationError: It is empty, crosses itself, or lies off the slide, and nothing may be
            mended.
    """
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        if repair is not None:
            repair.mend("an outline with a coordinate that is no finite number, left out", where)
            return None
        raise AnnotationError(
            "malformed geometry", where=where, found="a coordinate that is no finite number"
        )
    if geometry.is_empty:
        _leave_out("empty geometry", where, repair)
        return None
    if not shapely.is_valid(geometry):
        # Coordinates far beyond any slide overflow; they are refused below, without a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            mended = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
            reason = shapely.is_valid_reason(geometry)
        if mended.is_empty or not _is_rounding(geometry, mended):
            if repair is None:
                raise AnnotationError(
                    "the outline crosses itself",
                    where=where,
                    found=reason,
                    remedy=_REPAIR,
                )
            if mended.is_empty:
                _leave_out("an outline without area", where, repair)
                return None
            repair.mend("an outline that crossed itself", where)
        geometry = mended
    return geometry if frame is None else _on_slide(geometry, frame, where, repair)


def _is_rounding(geometry: BaseGeometry, mended: BaseGeometry) -> bool:
    return bool(abs(mended.area - geometry.area) <= _LARGEST_SILENT * mended.area)


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
    inside = shapely.intersection(geometry, shapely.box(0, 0, width, height))
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
