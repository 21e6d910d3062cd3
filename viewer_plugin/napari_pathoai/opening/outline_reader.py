"""Outlines of a GeoJSON file over the open slide: to look at, never entered in a journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_pathoai.opening.window_message import Paths, Reader, shows_errors

if TYPE_CHECKING:
    from napari_pathoai.picture.layers import LayerData


def outline_reader(path: Paths) -> Reader | None:
    """A reader for a file of features; None for anything else."""
    from pathoai_annotations.formats.geojson import FORMAT

    first = Path(path if isinstance(path, str) else path[0])
    return _read_outlines if first.is_file() and FORMAT.recognises(first) else None


@shows_errors
def _read_outlines(path: str | Sequence[str]) -> list[LayerData]:
    from napari.utils.notifications import show_info

    from napari_pathoai.opening.open_slide_layer import slide_of_window
    from napari_pathoai.picture.outline_layers import outline_layers
    from napari_pathoai.texts.texts import text
    from pathoai_annotations.formats.geojson_outlines import read_outlines

    layers: list[LayerData] = []
    for file in [Path(path)] if isinstance(path, str) else map(Path, path):
        slide = slide_of_window(file.name)
        found = list(read_outlines(file, slide.frame, slide.slide_id))
        layers += outline_layers(found, slide.frame.mpp, file.name)
        show_info(text("outlines_are_seen", count=len(found), file=file.name))
    return layers
