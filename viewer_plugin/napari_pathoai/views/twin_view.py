"""The other stain of a slide in a linked second canvas, opened and closed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_pathoai.picture.layers import image_layer
from napari_pathoai.picture.twin import stain_name
from napari_pathoai.texts.texts import text
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari

    from napari_pathoai.views.linked_view import LinkedView
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study


class TwinView:
    """At most one linked canvas of a viewer.

    Args:
        viewer: The first canvas.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """None is open."""
        self._viewer = viewer
        self._dock: Any = None
        self.view: LinkedView | None = None

    def open(self, study: Study, row: CohortRow) -> None:
        """Show a slide of a study beside the first, at the same place in µm.

        Args:
            study: The study.
            row: The slide; it is tiled.

        Raises:
            StoreError: Its store cannot be read.
        """
        from napari_pathoai.views.linked_view import LinkedView

        layer = image_layer(SlideStore(study.store_path(row.slide_id)))
        self.close()
        self.view = LinkedView(self._viewer)
        title = text("twin_title", stain=stain_name(row), slide=row.slide_id)
        self._dock = self._viewer.window.add_dock_widget(self.view, name=title, area="bottom")
        self.view.show_layers([layer])

    def close(self) -> None:
        """Close it, if it is open."""
        if self.view is None:
            return
        view, self.view = self.view, None
        view.close_view()
        self._viewer.window.remove_dock_widget(view)
        self._dock = None
