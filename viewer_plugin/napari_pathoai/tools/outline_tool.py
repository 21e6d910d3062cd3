"""Polygon, lasso, rectangle, ellipse, and editing of vertices: modes of napari's Shapes layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.drawing.mouse_place import Place
from napari_pathoai.tools.tool import Press
from pathoai_annotations.drawing.brush_stroke import Intent

if TYPE_CHECKING:
    from napari_pathoai.review import Review

EDIT_MODE = "direct"


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

    def start(self) -> None:
        """See `Tool`."""
        annotations = self._review.annotations
        if annotations is None:
            return
        self._review.viewer.layers.selection.active = annotations.layer
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
        annotations.intent = Intent.NEW
        if press.alt:
            annotations.intent = Intent.SUBTRACT
        elif press.shift:
            annotations.intent = Intent.ADD

    def moved(self, place: Place) -> None:
        """See `Tool`."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`."""
