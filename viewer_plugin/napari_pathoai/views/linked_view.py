"""A second canvas that shows other layers at the same place and zoom as the first.

Both canvases share one world, the first slide's micrometres: what lies elsewhere, as the same
section in another stain does, is carried there by an affine map of its layers. So cameras are
simply equal, and either can be moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    import napari

    from napari_pathoai.picture.layers import LayerData

_RESIZED_MS = 200
"""By then the canvas has been drawn in its new size."""


class LinkedView(QWidget):
    """A canvas that follows a viewer, and leads it where the user moves this one.

    Args:
        viewer: The first.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """An empty canvas, linked."""
        super().__init__()
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        self._viewer = viewer
        self.model = ViewerModel()
        self._qt_viewer = QtViewer(self.model)
        self._busy = False
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.setInterval(_RESIZED_MS)
        self._resized.timeout.connect(self.follow)
        self.model.canvas.events.size.connect(self._on_size)
        self._linked = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._qt_viewer)
        scale_bar = self.model.canvas.overlays.scale_bar
        scale_bar.visible = scale_bar.box = True
        self.link(on=True)

    def show_layers(
        self, layers: Iterable[LayerData], affine_um: NDArray[np.float64] | None = None
    ) -> None:
        """Show these layers and no others.

        Args:
            layers: As napari takes them, in micrometres.
            affine_um: ``(3, 3)`` from these layers' µm to the first viewer's, both (y, x, 1); the
                same place where None.
        """
        from napari.layers import Layer

        self.model.layers.clear()
        for data, settings, kind in layers:
            placed: dict[str, Any] = dict(settings)
            if affine_um is not None:
                placed["affine"] = np.asarray(affine_um)
            self.model.add_layer(Layer.create(data, placed, kind))
        self.follow()

    def place(self, affine_um: NDArray[np.float64]) -> None:
        """Lay the layers elsewhere in the first viewer's world.

        Args:
            affine_um: As `show_layers` has it.
        """
        for layer in self.model.layers:
            layer.affine = affine_um

    def link(self, *, on: bool) -> None:
        """Follow and lead, or neither."""
        if on == self._linked:
            return
        self._linked = on
        pairs = ((self._viewer.scene.camera, self.follow), (self.model.scene.camera, self._lead))
        for camera, react in pairs:
            for emitter in (camera.events.center, camera.events.zoom):
                if on:
                    emitter.connect(react)
                else:
                    emitter.disconnect(react)
        if on:
            self.follow()

    def follow(self, _event: object = None) -> None:
        """Look at what the first viewer looks at."""
        if self._linked:
            self._copy(self._viewer.scene.camera, self.model.scene.camera)

    def picture(self) -> NDArray[np.uint8]:
        """What this canvas shows, ``(height, width, 3)`` uint8."""
        shot: NDArray[np.uint8] = self._qt_viewer.screenshot(flash=False)
        return shot[..., :3]

    def close_view(self) -> None:
        """Give back canvas and layers."""
        self.link(on=False)
        self._resized.stop()
        self.model.canvas.events.size.disconnect(self._on_size)
        self.model.layers.clear()
        self._qt_viewer.close()
        self._qt_viewer.deleteLater()

    def _on_size(self, _event: object) -> None:
        self._resized.start()

    def _lead(self, _event: object) -> None:
        """Take the first viewer along."""
        # A canvas that changes its size zooms by itself, which nobody asked for.
        if not self._resized.isActive():
            self._copy(self.model.scene.camera, self._viewer.scene.camera)

    def _copy(self, source: Any, target: Any) -> None:  # noqa: ANN401 - napari is not typed
        if self._busy:
            return
        self._busy = True
        try:
            target.center, target.zoom = source.center, source.zoom
        finally:
            self._busy = False
