"""What was drawn on a slide, as GeoJSON that QuPath and `pathoai annotations import` read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry

from napari_pathoai.drawing.outlines import area_from, ellipse_outline
from napari_pathoai.opening.open_slide_layer import slide_of_window
from napari_pathoai.picture.layers import METADATA
from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp
from pathoai_annotations.formats.geojson_outlines import DrawnOutline, Rgb, write_outlines

_LINES = ("path", "line")
_FLAT = 2
_TURNS = ("rotate", "shear", "affine")


def write_layers(path: str, layers: Sequence[tuple[Any, Mapping[str, Any], str]]) -> list[str]:
    """Write Shapes and Points layers over the open slide into one file.

    The class of an outline is the column ``label`` of its layer's features, its colour the one it
    is drawn in. A class that the ontology does not know is for the importer to translate.

    Args:
        path: Of the file.
        layers: Data, settings and kind of each, as napari hands them over.

    Returns:
        The paths of what was written, as napari wants it.

    Raises:
        AnnotationError: No slide is open, or a layer holds what GeoJSON cannot; nothing is written.
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
    """
    file = Path(path)
    slide = slide_of_window(file.name)
    outlines = [
        outline
        for data, settings, kind in layers
        for outline in _outlines_of(data, settings, kind, slide.frame.mpp)
    ]
    write_outlines(file, outlines, slide.frame, slide.slide_id)
    return [path]


def _outlines_of(
    data: Any,  # noqa: ANN401 - napari's: a list of arrays, or an array of points
    settings: Mapping[str, Any],
    kind: str,
    mpp: Mpp,
) -> Iterator[DrawnOutline]:
    name = str(settings["name"])
    _check_layer(name, settings)
    is_points = kind == "points"
    kinds = ["point"] * len(data) if is_points else settings["shape_type"]
    colours = settings["face_color" if is_points else "edge_color"]
    labels = settings["features"].get("label", [""] * len(data))
    scale = np.asarray(settings["scale"]) / (mpp.y, mpp.x)
    shift = np.asarray(settings["translate"]) / (mpp.y, mpp.x)
    for vertices, drawn_as, label, colour in zip(data, kinds, labels, colours, strict=True):
        placed = np.atleast_2d(np.asarray(vertices, np.float64))
        geometry = _geometry(placed * scale + shift, str(drawn_as))
        yield DrawnOutline(geometry, str(label), _rgb(colour))


def _check_layer(name: str, settings: Mapping[str, Any]) -> None:
    if settings["metadata"].get(METADATA, {}).get("kind") == "annotations":
        raise AnnotationError(
            "annotations of a study leave with their holes, authors and status",
            where=name,
            remedy="run `pathoai annotations export STUDY FILE.geojson`",
        )
    if (axes := len(settings["scale"])) != _FLAT:
        raise _refusal(name, f"{axes} axes", "layers of two axes")
    for turn in _TURNS:
        value = np.asarray(settings[turn], np.float64)
        unturned = np.eye(len(value)) if value.ndim == _FLAT else np.zeros(value.shape)
        if not np.allclose(value, unturned):
            raise _refusal(name, f"a layer with {turn}", "layers that are scaled and moved alone")


def _geometry(outline: NDArray[np.float64], kind: str) -> BaseGeometry:
    """The geometry (x, y) of vertices (y, x), level-0 pixels."""
    if kind == "point":
        return Point(outline[0, ::-1])
    if kind in _LINES:
        return LineString(outline[:, ::-1])
    return area_from(ellipse_outline(outline) if kind == "ellipse" else outline)


def _rgb(colour: NDArray[np.float32]) -> Rgb:
    red, green, blue = (round(255 * float(channel)) for channel in np.asarray(colour)[:3])
    return (red, green, blue)


def _refusal(name: str, found: str, allowed: str) -> AnnotationError:
    return AnnotationError("the layer cannot be written", where=name, found=found, allowed=allowed)
