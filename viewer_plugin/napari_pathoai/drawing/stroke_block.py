"""A small Labels layer over what is in view, in which strokes are painted before they are outlines.

It is as large as the canvas and has its resolution, whatever the zoom and the slide's size; so the
brush keeps its size on the screen, and a slide of 100,000 px costs nothing more. Frames: the block
is in level-0 pixels, the layer in µm, as `layers.raster_frame` has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_pathoai.drawing.mouse_place import LEFT_BUTTON, Place, place_of
from napari_pathoai.picture.canvas_view import region_in_view
from napari_pathoai.picture.layers import METADATA, raster_frame
from napari_pathoai.texts.texts import text
from pathoai.geometry import Mpp, Size
from pathoai_annotations.drawing.block import Block

if TYPE_CHECKING:
    import napari
    from napari.utils.events import Event

PAINTED, ERASED = 1, 2
"""Values of pixels that are added to an annotation, and of those that are taken from it."""
_ERASER = (1.0, 1.0, 1.0, 0.9)
_OPACITY = 0.55
_NOWHERE = Size(1, 1)
_REST_MS = 120

Grow = Callable[[Place], None]
"""Called during a stroke with where the mouse is."""
Finished = Callable[[NDArray[np.bool_], Block], None]
"""Called with what a stroke painted, ``(height, width)`` bool, and where that lies."""


class StrokeBlock:
    """The layer, and where it lies.

    Args:
        viewer: Whose canvas it covers while a tool paints.
        slide_size: Of the slide, level-0 pixels: nothing is painted beside it.
        mpp: Scale of the slide's level 0.

    Attributes:
        block: What it covers now.
        layer: Hidden while no tool paints.
    """

    def __init__(self, viewer: napari.Viewer, slide_size: Size, mpp: Mpp) -> None:
        """Add an empty, hidden layer to the viewer."""
        self._viewer = viewer
        self._slide_size = slide_size
        self._mpp = mpp
        self._finished: Finished | None = None
        self._grow: Grow | None = None
        self._is_down = False
        self.block = Block(0, 0, 1, 1, _NOWHERE)
        self.layer = Labels(
            np.zeros((1, 1), np.uint8),
            name=text("stroke"),
            opacity=_OPACITY,
            visible=False,
            metadata={METADATA: {"kind": "stroke"}},
            **raster_frame(mpp),
        )
        self.layer.events.mode.connect(self._on_mode)
        self.layer.events.paint.connect(self._on_painted)
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._on_rest)
        viewer.layers.append(self.layer)
        viewer.scene.camera.events.connect(self._on_camera)

    def close(self) -> None:
        """Follow the view no longer."""
        self._rest.stop()
        self._viewer.scene.camera.events.disconnect(self._on_camera)

    @property
    def paints(self) -> bool:
        """True while napari's brush is in the hand; not while Space lends the mouse to the view."""
        return self._finished is not None and self.layer.mode == "paint"

    @property
    def is_taken(self) -> bool:
        """True while a tool paints in it."""
        return self._finished is not None

    def take(self, brush_px: int, finished: Finished, grow: Grow | None = None) -> None:
        """Let napari's brush paint.

        Args:
            brush_px: Its diameter, pixels of the screen.
            finished: Called when a stroke is over.
            grow: Called while it is made; what it adds belongs to the stroke.
        """
        self._finished, self._grow = finished, grow
        if self.layer not in self._viewer.layers:  # the user removed it from napari's list
            self._viewer.layers.append(self.layer)
        self.layer.visible = True
        self.place()
        self._viewer.layers.selection.active = self.layer
        self.layer.mode = "paint"
        self.layer.brush_size = brush_px

    def is_taken_by(self, finished: Finished) -> bool:
        """True while strokes end in this function."""
        return self._finished == finished

    def put_down(self) -> None:
        """Let nothing paint; the view moves freely again."""
        self._finished = self._grow = None
        self._is_down = False
        self.layer.mode = "pan_zoom"
        self.layer.visible = False

    def begin(self, value: int, colour: tuple[float, float, float, float]) -> None:
        """A stroke begins: over what is in view just now.

        Args:
            value: ``PAINTED`` or ``ERASED``.
            colour: Red, green, blue and opacity of what is painted, 0 to 1.
        """
        self._is_down = True
        self.place()
        colours: dict[Any, Any] = {None: "transparent", PAINTED: colour, ERASED: _ERASER}
        self.layer.colormap = DirectLabelColormap(color_dict=colours)
        self.layer.selected_label = value

    def end(self) -> None:
        """The button came up, whether something was painted or not."""
        self._is_down = False

    def place(self) -> None:
        """Lay the block over what is in view."""
        wanted = self._block_in_view()
        if wanted == self.block:
            return
        self.block = wanted
        shape = (wanted.size_px.height, wanted.size_px.width)
        if self.layer.data.shape != shape:
            self.layer.data = np.zeros(shape, np.uint8)
        pixel_um = (wanted.pixel_y * self._mpp.y, wanted.pixel_x * self._mpp.x)
        corner_um = (wanted.y * self._mpp.y, wanted.x * self._mpp.x)
        self.layer.scale = pixel_um
        self.layer.translate = [c + p / 2 for c, p in zip(corner_um, pixel_um, strict=True)]
        # napari computes the size of its cursor only when a brush gets its size.
        self.layer.brush_size = self.layer.brush_size

    def add(self, mask: NDArray[np.bool_], left_px: int, top_px: int) -> None:
        """Paint a mask whose top left lies at a pixel of the block; what is beside it is left."""
        rows, columns = np.nonzero(mask)
        rows, columns = rows + top_px, columns + left_px
        height, width = self.layer.data.shape
        inside = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
        if inside.any():
            where = (rows[inside], columns[inside])
            self.layer.data_setitem(where, self.layer.selected_label)

    def _on_painted(self, _event: object) -> None:
        """Napari's word that a stroke is over."""
        painted, block = np.asarray(self.layer.data) > 0, self.block
        # By its own undo napari forgets: it keeps one stroke at most; the journal keeps all.
        self.layer.undo()
        if np.asarray(self.layer.data).any():
            self.layer.data = np.zeros_like(self.layer.data)
        if self._finished is not None and painted.any():
            self._finished(painted, block)

    def _block_in_view(self) -> Block:
        seen = region_in_view(self._viewer, self._mpp)
        height_px, width_px = self._viewer.canvas.size
        pixel_x, pixel_y = seen.width / width_px, seen.height / height_px
        left, top = max(seen.x, 0.0), max(seen.y, 0.0)
        right = min(seen.right, self._slide_size.width)
        bottom = min(seen.bottom, self._slide_size.height)
        if right <= left or bottom <= top:
            return Block(0, 0, pixel_x, pixel_y, _NOWHERE)
        columns = max(1, math.ceil((right - left) / pixel_x - 1e-6))
        rows = max(1, math.ceil((bottom - top) / pixel_y - 1e-6))
        return Block(left, top, pixel_x, pixel_y, Size(columns, rows))

    def _on_camera(self, _event: object) -> None:
        if self._finished is not None:
            self._rest.start()

    def _on_rest(self) -> None:
        """Once the view rests, the cursor shows the brush's size again."""
        if self._finished is not None and not self._is_down:
            self.place()

    def _on_mode(self, _event: object) -> None:
        """After every change of mode, which Space brings too, the mouse does what our tools say."""
        callbacks = self.layer.mouse_drag_callbacks
        if self._on_drag in callbacks:
            callbacks.remove(self._on_drag)
        # After napari's own, so that what a tool adds belongs to the stroke that napari began.
        callbacks.append(self._on_drag)
        # napari lets Alt with the mouse change the brush's size; here Alt takes away.
        if Labels.brush_size_on_mouse_move in self.layer.mouse_move_callbacks:
            self.layer.mouse_move_callbacks.remove(Labels.brush_size_on_mouse_move)

    def _on_drag(self, _layer: Labels, event: Event) -> Iterator[None]:
        if self._grow is None or not self.paints or event.button != LEFT_BUTTON:
            return
        self._grow(place_of(event, self._mpp))
        yield
        while event.type == "mouse_move":
            self._grow(place_of(event, self._mpp))
            yield
