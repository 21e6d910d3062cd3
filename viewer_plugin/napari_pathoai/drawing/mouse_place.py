"""Where the mouse is on the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.geometry import Mpp

if TYPE_CHECKING:
    from napari.utils.events import Event

LEFT_BUTTON = 1
"""As vispy numbers the buttons of a mouse."""

Place = tuple[float, float]
"""x and y, level-0 pixels."""


def place_of(event: Event, mpp: Mpp) -> Place:
    """Where a mouse event of napari lies: its position is in µm (y, x).

    Args:
        event: Of the mouse.
        mpp: Scale of the slide's level 0.
    """
    y_um, x_um = event.position[-2:]
    return float(x_um) / mpp.x, float(y_um) / mpp.y
