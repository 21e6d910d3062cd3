"""The frame around the region that is read: what lies in it is what one decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_pathoai.picture.layers import METADATA, vector_frame
from napari_pathoai.review import Review
from napari_pathoai.texts.texts import text

if TYPE_CHECKING:
    from pathoai_annotations.review.region_queue import RegionToRead

_COLOUR = "#000000"
"""On stained tissue and on glass alike; no class is black."""
_LINE_SCREEN_PX = 2.0
_SAME_WIDTH = 1.3


class RegionFrame:
    """A layer of one rectangle, which nobody edits.

    Args:
        review: Whose region is framed.
    """

    def __init__(self, review: Review) -> None:
        """No frame until a region is shown."""
        self._review = review
        self._layer: Shapes | None = None
        self._line_px = 1.0
        review.region_shown.connect(self._on_region)
        review.closing.connect(self._on_closing)
        review.viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def _on_region(self, one: RegionToRead) -> None:
        if self._layer is None:
            self._layer = self._add_layer()
        r = one.region
        corners = [[r.y, r.x], [r.y, r.right], [r.bottom, r.right], [r.bottom, r.x]]
        self._line_px = self._wanted_px()
        self._layer.data = []
        self._layer.add(
            np.array(corners),
            shape_type="polygon",
            edge_width=self._line_px,
            edge_color=_COLOUR,
            face_color="transparent",
        )
        # napari makes a layer editable again whenever its data change.
        self._layer.editable = False

    def _on_closing(self) -> None:
        # The review takes the layer away with all others of the slide.
        self._layer = None

    def _on_zoom(self, _event: object) -> None:
        """Keep the line equally thin on the screen."""
        if self._layer is None or not len(self._layer.data):
            return
        wanted = self._wanted_px()
        if not 1 / _SAME_WIDTH < wanted / self._line_px < _SAME_WIDTH:
            self._line_px = wanted
            self._layer.edge_width = [wanted]

    def _wanted_px(self) -> float:
        """Width of the line, level-0 pixels."""
        assert self._review.session is not None  # a region is shown
        mpp = self._review.session.store.header.slide_mpp.mean
        zoom: float = self._review.viewer.scene.camera.zoom
        return _LINE_SCREEN_PX / max(zoom * mpp, 1e-9)

    def _add_layer(self) -> Shapes:
        """Below the annotations, which stay the layer that one draws in."""
        session, annotations = self._review.session, self._review.annotations
        assert session is not None  # a region is shown
        assert annotations is not None
        frame: dict[str, Any] = vector_frame(session.store.header.slide_mpp)
        layer = Shapes(
            ndim=2, name=text("reading_frame"), metadata={METADATA: {"kind": "region"}}, **frame
        )
        layers = self._review.viewer.layers
        layers.insert(layers.index(annotations.layers[0]), layer)
        layers.selection.active = annotations.layer
        return layer
