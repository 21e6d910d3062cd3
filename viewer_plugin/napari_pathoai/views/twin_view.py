"""The other stain of a slide in a linked second canvas, opened and closed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.picture.layers import image_layer
from napari_pathoai.views.linked_view import LinkedView
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari

    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study


class TwinView:
    """At most one linked canvas, below the first and as high.

    Args:
        viewer: The first canvas.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """None is open."""
        self._viewer = viewer
        self.view: LinkedView | None = None

    def open(self, study: Study, row: CohortRow) -> None:
        """Show a slide of a study beside the first, at the same place in µm.

        Args:
            study: The study.
            row: The slide; it is tiled.

        Raises:
            StoreError: Its store cannot be read.
        """
        layer = image_layer(SlideStore(study.store_path(row.slide_id)))
        self.close()
        self.view = LinkedView(self._viewer)
        # napari's canvas lies in a splitter; a dock would get what panels leave of the window.
        splitter = self._viewer.window._qt_viewer
        splitter.addWidget(self.view)
        splitter.setSizes([1] * splitter.count())
        self.view.show_layers([layer])

    def close(self) -> None:
        """Close it, if it is open."""
        if self.view is None:
            return
        view, self.view = self.view, None
        view.setParent(None)
        view.close_view()
