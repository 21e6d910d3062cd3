"""Click to outline: a click proposes an outline, more clicks mend it, Enter takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import shapely
from napari.layers import Shapes
from napari.qt.threading import create_worker
from shapely.geometry.base import BaseGeometry

from napari_pathoai.drawing.mouse_place import Place
from napari_pathoai.drawing.outlines import parts_of, vertices_of
from napari_pathoai.drawing.style import class_colour
from napari_pathoai.picture.layers import METADATA, vector_frame
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.pointing_tools import is_on_slide, screen_pixel
from napari_pathoai.tools.tool import Press
from pathoai.errors import PathoaiError
from pathoai_annotations.drawing.block import Block, on_slide
from pathoai_annotations.drawing.brush_stroke import Intent
from pathoai_annotations.drawing.click_outline import (
    Clicks,
    OutlineMethod,
    Picture,
    outline_of_clicks,
)
from pathoai_annotations.drawing.slide_window import (
    finest_pixel,
    read_pixels,
    read_probability,
)

if TYPE_CHECKING:
    import numpy as np
    from napari.qt.threading import FunctionWorker
    from numpy.typing import NDArray

    from napari_pathoai.review import Review
    from napari_pathoai.session import ReviewSession

_FILL = 0.35
_LINE_SCREEN_PX = 2.0


@dataclass(frozen=True)
class _Found:
    """What a thread brings back: an error among the results would be raised once more."""

    result: BaseGeometry | PathoaiError


class ClickTool:
    """Outlines what is clicked on, with a method that can be exchanged.

    A click in the outline, or with Shift, adds to what it is of; Alt and a click takes away; a
    click elsewhere accepts it and begins the next.

    Args:
        review: Where it draws.
        method: Makes the method at first use: a model in a file takes a while to load.

    Attributes:
        draft: The outline that is not accepted yet, level-0 pixels.
    """

    name = "tool_click"

    def __init__(self, review: Review, method: Callable[[], OutlineMethod]) -> None:
        """Nothing is clicked yet."""
        self._review = review
        self._make_method = method
        self._method: OutlineMethod | None = None
        self._clicks: Clicks | None = None
        self._press: Press | None = None
        self._worker: FunctionWorker | None = None
        self._layer: Shapes | None = None
        self.draft: BaseGeometry | None = None

    @property
    def is_busy(self) -> bool:
        """True while an outline is being made."""
        return self._worker is not None

    def start(self) -> None:
        """See `Tool`."""
        annotations, session = self._review.annotations, self._review.session
        if annotations is None or session is None:
            return
        self._layer = self._layer or Shapes(
            ndim=2,
            name=text("draft"),
            metadata={METADATA: {"kind": "draft"}},
            **vector_frame(session.store.header.slide_mpp),
        )
        if self._layer not in self._review.viewer.layers:
            self._review.viewer.layers.append(self._layer)
        self._review.hold_annotations()
        annotations.layer.mode = "pan_zoom"

    def stop(self) -> None:
        """See `Tool`; what was outlined is kept, as a click elsewhere would."""
        self.accept()
        if self._layer is not None and self._layer in self._review.viewer.layers:
            self._review.viewer.layers.remove(self._layer)
        self._layer = None

    def pressed(self, press: Press) -> None:
        """See `Tool`."""
        self._press = press

    def moved(self, place: Place) -> None:
        """See `Tool`; a drag moves the view."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`."""
        press, session = self._press, self._review.session
        # The window stays alive meanwhile; one outline at a time is enough.
        if not as_click or press is None or session is None or self.is_busy:
            return
        if not is_on_slide(place, session):
            self._review.tell(text("beside_slide"))
            return
        if self._clicks is not None and (press.alt or press.shift or self._is_in_draft(place)):
            self._clicks = self._clicks.with_click(place, in_object=not press.alt)
        elif press.alt:
            return
        else:
            self.accept()
            self._clicks = Clicks((place,))
        self._outline(session, self._clicks)

    def accept(self) -> None:
        """Make an annotation of the outline, where there is one."""
        draft, annotations = self.draft, self._review.annotations
        self.cancel()
        if draft is not None and annotations is not None:
            annotations.apply(draft, Intent.NEW)

    def cancel(self) -> None:
        """Forget the outline, and what is still being made of it."""
        if self._worker is not None:
            # It cannot be stopped in the middle; nobody waits for what it returns.
            self._worker.returned.disconnect()
            self._worker = None
        self._clicks = self.draft = None
        self._show()

    def _is_in_draft(self, place: Place) -> bool:
        return self.draft is not None and bool(shapely.intersects_xy(self.draft, *place))

    def _outline(self, session: ReviewSession, clicks: Clicks) -> None:
        annotations, pixel = self._review.annotations, screen_pixel(self._review)
        if annotations is None:
            return
        finest = finest_pixel(session.store)
        size = (max(pixel, finest[0]), max(pixel, finest[1]))
        picture = self._picture(session, annotations.label)
        self._worker = create_worker(self._found, clicks, size, picture, _start_thread=False)
        self._worker.returned.connect(self._on_found)
        self._worker.errored.connect(self._on_fault)
        self._review.tell(text("outlining"))
        self._worker.start()

    def _found(self, clicks: Clicks, pixel: Place, picture: Picture) -> _Found:
        """In a thread of its own: an outline, or why there is none."""
        try:
            if self._method is None:
                self._method = self._make_method()
            return _Found(outline_of_clicks(clicks, pixel, picture, self._method))
        except PathoaiError as error:
            return _Found(error)

    def _on_found(self, found: _Found) -> None:
        self._worker = None
        session = self._review.session
        if session is None:
            return
        if isinstance(found.result, PathoaiError):
            self._review.say(text("refused", reason=found.result))
            return
        self.draft = on_slide(found.result, session.store.slide.size)
        self._review.tell(text("outline_failed" if self.draft is None else "draft_made"))
        self._show()

    def _on_fault(self, _error: BaseException) -> None:
        """What is no error of ours: napari shows it, and the next click may go better."""
        self._worker = None
        self._review.tell(text("outline_failed"))

    def _picture(self, session: ReviewSession, key: str) -> Picture:
        """What the method may see: not what a model says while the reader may not see that."""
        pixels = partial(read_pixels, session.store)
        labels = [] if session.hides_model else map(session.prediction, session.predictions)
        for label in labels:
            if key in label.probability_channels:
                return Picture(pixels, partial(read_probability, label, key))
        return Picture(pixels, _nothing)

    def _show(self) -> None:
        layer, annotations = self._layer, self._review.annotations
        if layer is None or annotations is None:
            return
        layer.data = []
        if self.draft is None:
            return
        red, green, blue, _ = class_colour(annotations.session.ontology, annotations.label)
        layer.add(
            [vertices_of(part) for part in parts_of(self.draft)],
            shape_type="polygon",
            edge_width=_LINE_SCREEN_PX * screen_pixel(self._review),
            edge_color=(red, green, blue, 1.0),
            face_color=(red, green, blue, _FILL),
        )
        layer.editable = False


def _nothing(_block: Block) -> NDArray[np.float32] | None:
    return None
