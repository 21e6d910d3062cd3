"""The slide itself, on the screen before anything else is made ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.picture.canvas_view import draw_now
from napari_pathoai.picture.layers import METADATA, image_layer
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari


def show_slide(viewer: napari.Viewer, store: SlideStore) -> None:
    """Show the pixels of a slide with a bar of its scale, all of it in view.

    Args:
        viewer: Where; nothing is added where it shows the slide already.
        store: The slide.
    """
    layer, settings, _ = image_layer(store)
    about = settings["metadata"][METADATA]
    shown = [one.metadata.get(METADATA, {}) for one in viewer.layers]
    is_new = not any(one.get("store") == about["store"] for one in shown)
    if is_new:
        viewer.add_image(layer, **settings)
    scale_bar = viewer.canvas.overlays.scale_bar
    scale_bar.visible = scale_bar.box = True
    viewer.reset_view()
    if is_new:
        draw_now()
