"""Polygon, lasso, rectangle, ellipse, and editing of vertices: modes of napari's Shapes layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.drawing.mouse_place import Place
from napari_pathoai.tools.pointing_tools import screen_pixel
from napari_pathoai.tools.tool import Press
from pathoai_annotations.drawing.brush_stroke import Intent

if TYPE_CHECKING:
    from napari_pathoai.review import Review

EDIT_MODE = "direct"
_BOXES = ("add_rectangle", "add_ellipse")
CLICK_SCREEN_PX = 3.0
"""A mouse that moved less while its button was down clicked, and did not drag."""


class OutlineTool:
    """A mode of the annotations' layer.

    Args:
        review: Whose layer it is.
        name: Key of the tool's text.
        mode: Of napari's Shapes layer.
    """

    def __init__(self, review: Review, name: str, mode: str) -> None:
        """Nothing happens until it is taken."""
        self.name = name
        self._review = review
        self._mode = mode
        self._began: Place = (0.0, 0.0)

    def start(self) -> None:
        """See `Tool`."""
        annotations = self._review.annotations
        if annotations is None:
            return
        self._review.hold_annotations()
        annotations.layer.mode = self._mode
        # napari forgets what is selected when it begins to draw; the reader does not.
        annotations.select_all(annotations.selected)

    def stop(self) -> None:
        """See `Tool`."""
        if (annotations := self._review.annotations) is not None:
            annotations.layer.mode = "pan_zoom"

    def pressed(self, press: Press) -> None:
        """See `Tool`; the keys at the first press say what the outline is for."""
        annotations = self._review.annotations
        if annotations is None or annotations.is_drawing:
            return
        self._began = press.place
        annotations.intent = Intent.NEW
        if press.alt:
            annotations.intent = Intent.SUBTRACT
        elif press.shift:
            annotations.intent = Intent.ADD

    def moved(self, place: Place) -> None:
        """See `Tool`."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`; napari would make a box of a click."""
        annotations = self._review.annotations
        if annotations is None or self._mode not in _BOXES:
            return
        sides = (abs(end - begin) for begin, end in zip(self._began, place, strict=True))
        if as_click or min(sides) < CLICK_SCREEN_PX * screen_pixel(self._review):
            annotations.give_up("click_alone")
