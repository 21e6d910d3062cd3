"""A raw slide's file is closed when its layer is taken out of the viewer.

napari keeps what it knew of a removed layer for a while, so waiting until nobody holds the layer
would keep files open that a user wants to move or delete.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.utils.events import Event

    from napari_pathoai.picture.pyramid import SlideLevel


def close_with_layer(levels: Iterable[SlideLevel]) -> None:
    """Close the slide of these levels when the window in front loses the layer that shows them."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        # Nobody shows it: it is closed when the levels are gone.
        return
    held = next(iter(levels)).held

    def on_removed(event: Event) -> None:
        if any(getattr(level, "held", None) is held for level in event.value.data):
            held.close()
            viewer.layers.events.removed.disconnect(on_removed)

    viewer.layers.events.removed.connect(on_removed)
