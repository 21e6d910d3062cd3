"""B's outlines in a linked second canvas, beside A's in the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_pathoai.picture.layers import image_layer
from napari_pathoai.views.side_layers import side_layers, sides_of
from pathoai.store.slide_store import SlideStore
from pathoai_annotations.review.adjudication import Case

if TYPE_CHECKING:
    import napari

    from napari_pathoai.views.linked_view import LinkedView


class SideBySide:
    """At most one such canvas of a viewer.

    Args:
        viewer: The first canvas.
        title: Of the second.
    """

    def __init__(self, viewer: napari.Viewer, title: str) -> None:
        """None is open."""
        self._viewer, self._title = viewer, title
        self.view: LinkedView | None = None

    def open(self, store: SlideStore, cases: Sequence[Case]) -> None:
        """Show the slide with B's outlines of some cases.

        Args:
            store: The slide's.
            cases: Of the slide.
        """
        from napari_pathoai.views.linked_view import LinkedView

        drawn = side_layers(1, sides_of(cases, 1), store.header.slide_mpp)
        if self.view is None:
            self.view = LinkedView(self._viewer)
            self._viewer.window.add_dock_widget(self.view, name=self._title, area="bottom")
        self.view.show_layers([image_layer(store), *drawn])

    def close(self) -> None:
        """Close it, if it is open."""
        if self.view is None:
            return
        view, self.view = self.view, None
        view.close_view()
        self._viewer.window.remove_dock_widget(view)
