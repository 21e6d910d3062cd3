"""The other stain of a slide over it, in the same canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.picture.layers import METADATA
from napari_pathoai.picture.twin_picture import twin_layer
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from pathoai.registration.passage import Passage
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study


class TwinOverlay:
    """At most one such layer, between the slide and all else.

    Args:
        viewer: With the slide.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """None is shown."""
        self._viewer = viewer
        self.layer: Image | None = None

    def open(
        self, study: Study, store: SlideStore, row: CohortRow, passage: Passage, opacity: float
    ) -> None:
        """Show a registered twin over the slide.

        Args:
            study: The study.
            store: The slide that the viewer shows.
            row: The twin; it is tiled.
            passage: From the slide to the twin.
            opacity: 0 to 1.

        Raises:
            StoreError: The twin's store cannot be read.
        """
        from napari.layers import Image

        twin = SlideStore(study.store_path(row.slide_id))
        data, settings, _ = twin_layer(store, twin, row, passage)
        self.close()
        layers = self._viewer.layers
        active = layers.selection.active
        self.layer = Image(data, opacity=opacity, **settings)
        layers.insert(1 + self._slide_at(store), self.layer)
        # What the user works on stays chosen.
        layers.selection.active = active

    def close(self) -> None:
        """Take it away, if it is shown."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def set_opacity(self, opacity: float) -> None:
        """Set how much of the slide it hides, 0 to 1."""
        if self.layer is not None:
            self.layer.opacity = opacity

    def _slide_at(self, store: SlideStore) -> int:
        """Place of the slide's own picture among the layers; -1 where it was taken away."""
        for place, layer in enumerate(self._viewer.layers):
            if layer.metadata.get(METADATA, {}).get("store") == str(store.path):
                return place
        return -1
