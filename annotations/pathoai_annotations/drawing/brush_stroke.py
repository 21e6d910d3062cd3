"""What a stroke means: a new annotation, more of the selected one, or less of it."""

from __future__ import annotations

from enum import StrEnum

import shapely
from shapely.geometry.base import BaseGeometry

from pathoai_annotations.drawing.outline_edits import areas_of


class Intent(StrEnum):
    """What is done with the area that a reader draws."""

    NEW = "new"
    ADD = "add"
    SUBTRACT = "subtract"


def intent_of(
    begins: tuple[float, float],
    selected: BaseGeometry | None,
    *,
    shift: bool = False,
    alt: bool = False,
) -> Intent:
    """What a stroke is meant for, by the habits of QuPath's brush.

    Shift adds to the selected annotation and Alt takes from it, wherever the stroke begins. Without
    a key, a stroke that begins inside the selected annotation adds to it, and one that begins
    elsewhere is a new annotation. Alt without a selected annotation takes from nothing.

    Args:
        begins: x and y where the mouse was pressed, level-0 pixels.
        selected: The selected annotation's outline, level-0 pixels; None where none is, or several
            are.
        shift: True while Shift is held.
        alt: True while Alt is held.
    """
    if alt:
        return Intent.SUBTRACT
    if selected is None or not areas_of(selected):
        return Intent.NEW
    is_inside = bool(shapely.intersects_xy(selected, *begins))
    return Intent.ADD if shift or is_inside else Intent.NEW
