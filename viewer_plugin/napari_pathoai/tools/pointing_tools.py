"""Tools of one click: selecting what is under the mouse, and setting points."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import shapely

from napari_pathoai.drawing.mouse_place import Place
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.tool import Press
from pathoai_annotations.annotation import Annotation

if TYPE_CHECKING:
    from napari_pathoai.review import Review
    from napari_pathoai.session import ReviewSession

_NEAR_SCREEN_PX = 8
"""So far from a point or a line, a click still means it."""


class SelectTool:
    """A click selects, Shift selects more, a drag moves the view."""

    name = "tool_select"

    def __init__(self, review: Review) -> None:
        """Nothing is selected by it yet."""
        self._review = review
        self._adds = False

    def start(self) -> None:
        """See `Tool`."""
        if (annotations := self._review.annotations) is not None:
            self._review.hold_annotations()
            annotations.layer.mode = "pan_zoom"

    def stop(self) -> None:
        """See `Tool`."""

    def pressed(self, press: Press) -> None:
        """See `Tool`."""
        self._adds = press.shift

    def moved(self, place: Place) -> None:
        """See `Tool`."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`."""
        annotations = self._review.annotations
        if annotations is None or not as_click:
            return
        found = annotation_at(
            annotations.shown, place, _NEAR_SCREEN_PX * screen_pixel(self._review)
        )
        before = annotations.selected if self._adds else []
        if found in before:
            annotations.select_all([one for one in before if one != found])
        else:
            annotations.select_all([*before, *([] if found is None else [found])])


class PointTool:
    """A click is an annotation of one point, such as a mitosis."""

    name = "tool_point"

    def __init__(self, review: Review) -> None:
        """Nothing is set yet."""
        self._review = review

    def start(self) -> None:
        """See `Tool`."""
        if (annotations := self._review.annotations) is not None:
            self._review.hold_annotations()
            annotations.layer.mode = "pan_zoom"

    def stop(self) -> None:
        """See `Tool`."""

    def pressed(self, press: Press) -> None:
        """See `Tool`."""

    def moved(self, place: Place) -> None:
        """See `Tool`."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`."""
        annotations, session = self._review.annotations, self._review.session
        if annotations is None or session is None or not as_click:
            return
        if not is_on_slide(place, session):
            self._review.tell(text("beside_slide"))
        else:
            annotations.draw_point(shapely.Point(place))


def annotation_at(
    annotations: tuple[Annotation, ...], place: Place, near: float
) -> uuid.UUID | None:
    """The smallest annotation that a click means; None where it means none.

    Args:
        annotations: On the screen.
        place: Of the click, level-0 pixels.
        near: How far beside a point or a line it may lie, level-0 pixels.
    """
    point = shapely.Point(place)
    distances = shapely.distance([a.geometry for a in annotations], point)
    meant = [
        a
        for a, distance in zip(annotations, distances, strict=True)
        if distance <= (0 if a.geometry.area else near)
    ]
    # A nucleus lies in a lesion: the smaller one is meant.
    found = min(meant, key=lambda a: float(a.geometry.area), default=None)
    return None if found is None else found.id


def is_on_slide(place: Place, session: ReviewSession) -> bool:
    """Whether a place, level-0 pixels, is one of the session's slide."""
    size = session.store.slide.size
    return 0 <= place[0] <= size.width and 0 <= place[1] <= size.height


def screen_pixel(review: Review) -> float:
    """Side of a pixel of the screen, level-0 pixels."""
    assert review.session is not None  # tools are used while a slide is shown
    mpp = review.session.store.header.slide_mpp.mean
    return 1.0 / (float(review.viewer.scene.camera.zoom) * mpp)
