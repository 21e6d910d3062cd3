"""The other stain of a slide in a linked second canvas, opened and closed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_pathoai.picture.layers import image_layer
from napari_pathoai.views.linked_view import LinkedView
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari

    from pathoai.registration.passage import Passage
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study

_RESTS_MS = 100
"""A camera that has not moved for so long has arrived."""


class TwinView:
    """At most one linked canvas, below the first and as high.

    A registered twin is laid by the affine map nearest to its transform where one looks: its pixels
    are the scanner's own, and over a screen up close the two differ by less than can be seen.

    Args:
        viewer: The first canvas.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """None is open."""
        self._viewer = viewer
        self._passage: Passage | None = None
        self.view: LinkedView | None = None
        self._resting = QTimer()
        self._resting.setSingleShot(True)
        self._resting.setInterval(_RESTS_MS)
        self._resting.timeout.connect(self._place)

    def open(self, study: Study, row: CohortRow, passage: Passage | None = None) -> None:
        """Show a slide of a study beside the first.

        Args:
            study: The study.
            row: The slide; it is tiled.
            passage: From the first slide to this one; without it, the same place is the same place
                in µm.

        Raises:
            StoreError: Its store cannot be read.
        """
        layer = image_layer(SlideStore(study.store_path(row.slide_id)))
        self.close()
        self._passage = passage
        self.view = LinkedView(self._viewer)
        # napari's canvas lies in a splitter; a dock would get what panels leave of the window.
        splitter = self._viewer.window._qt_viewer
        splitter.addWidget(self.view)
        splitter.setSizes([1] * splitter.count())
        self.view.show_layers([layer], self._affine_um())
        if passage is not None:
            self._viewer.scene.camera.events.center.connect(self._on_moved)

    def close(self) -> None:
        """Close it, if it is open."""
        if self.view is None:
            return
        if self._passage is not None:
            self._viewer.scene.camera.events.center.disconnect(self._on_moved)
        self._resting.stop()
        view, self.view, self._passage = self.view, None, None
        view.setParent(None)
        view.close_view()

    def _on_moved(self, _event: object) -> None:
        self._resting.start()

    def _place(self) -> None:
        """Lay the twin by what the transform is at the middle of the view."""
        affine = self._affine_um()
        if self.view is not None and affine is not None:
            self.view.place(affine)

    def _affine_um(self) -> NDArray[np.float64] | None:
        """``(3, 3)`` from µm of the twin to those of the slide, both (y, x, 1)."""
        if self._passage is None:
            return None
        _, y, x = self._viewer.scene.camera.center
        (a, b, left), (c, d, top) = self._passage.local_affine_um((x, y))
        return np.array([[d, c, top], [b, a, left], [0.0, 0.0, 1.0]])
