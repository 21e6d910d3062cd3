"""The plugin's entries in napari's menu Layers › Annotate › pathoai."""

from __future__ import annotations

_PLUGIN = "pathoai"


def show_outlines() -> None:
    """Ask for a GeoJSON file and show its outlines over the open slide."""
    import napari
    from qtpy.QtWidgets import QFileDialog

    from napari_pathoai.texts.texts import text

    viewer = napari.current_viewer()
    path, _ = QFileDialog.getOpenFileName(
        viewer.window._qt_window, text("choose_geojson"), "", text("geojson_files")
    )
    if path:
        viewer.open(path, plugin=_PLUGIN)


def save_outlines() -> None:
    """Ask for a name and write the selected layers of outlines."""
    import napari
    from qtpy.QtWidgets import QFileDialog

    from napari_pathoai.opening.window_message import show_error_line
    from napari_pathoai.texts.texts import text
    from pathoai.errors import PathoaiError

    viewer = napari.current_viewer()
    path, _ = QFileDialog.getSaveFileName(
        viewer.window._qt_window, text("save_geojson"), "", text("geojson_files")
    )
    if path:
        try:
            viewer.layers.save(path, selected=True, plugin=_PLUGIN)
        except PathoaiError as error:
            show_error_line(error)
