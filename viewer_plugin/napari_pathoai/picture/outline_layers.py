"""Outlines of a file as layers to look at, each ring by itself, since napari knows no holes.

Frame: level-0 pixels (y, x) with edges at integers; the layers' scale makes them micrometres.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from napari_pathoai.picture.layers import METADATA, LayerData, vector_frame
from napari_pathoai.texts.texts import text
from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp
from pathoai_annotations.formats.geojson_outlines import DrawnOutline, Rgb

MOST_OUTLINES = 2000
"""Shapes that napari draws fluently (measured: 10,000 take nine seconds to add)."""

_LINE_UM = 2.0
_POINT_UM = 12.0
_FILL = 0.15
_UNNAMED: Rgb = (255, 0, 0)


@dataclass
class _Drawing:
    """What goes into one Shapes layer and one Points layer."""

    shapes: list[NDArray[np.float64]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    shape_names: list[str] = field(default_factory=list)
    shape_colours: list[Rgb] = field(default_factory=list)
    fills: list[float] = field(default_factory=list)
    points: list[NDArray[np.float64]] = field(default_factory=list)
    point_names: list[str] = field(default_factory=list)
    point_colours: list[Rgb] = field(default_factory=list)

    def add(self, outline: DrawnOutline) -> None:
        """Take apart an outline."""
        for part in getattr(outline.geometry, "geoms", [outline.geometry]):
            self._add_part(part, outline)

    def _add_part(self, part: BaseGeometry, outline: DrawnOutline) -> None:
        kind = part.geom_type
        if kind == "Polygon":
            # Filled only where there is no hole to be filled with it.
            fill = 0.0 if len(part.interiors) else _FILL
            for ring in (part.exterior, *part.interiors):
                self._shape(_yx(ring)[:-1], "polygon", outline, fill)
        elif kind in ("LineString", "LinearRing"):
            self._shape(_yx(part), "path", outline, 0.0)
        elif kind == "Point":
            self.points.append(_yx(part)[0])
            self.point_names.append(outline.name)
            self.point_colours.append(outline.rgb or _UNNAMED)
        else:
            raise AnnotationError("unsupported geometry", found=kind)

    def _shape(
        self, vertices: NDArray[np.float64], kind: str, outline: DrawnOutline, fill: float
    ) -> None:
        self.shapes.append(vertices)
        self.kinds.append(kind)
        self.shape_names.append(outline.name)
        self.shape_colours.append(outline.rgb or _UNNAMED)
        self.fills.append(fill)


def outline_layers(outlines: Iterable[DrawnOutline], mpp: Mpp, name: str) -> list[LayerData]:
    """Layers that show outlines in the colours of their file.

    Args:
        outlines: In level-0 pixels.
        mpp: Scale of the slide's level 0.
        name: Of the file.

    Raises:
        AnnotationError: They are too many to be told apart, or one cannot be drawn.
    """
    drawing = _Drawing()
    for outline in outlines:
        drawing.add(outline)
        if len(drawing.shapes) > MOST_OUTLINES:
            raise AnnotationError(
                "too many outlines to be shown one by one",
                where=name,
                allowed=str(MOST_OUTLINES),
                remedy="`pathoai annotations import` enters them in a study, where those in view "
                "are shown",
            )
    layers = []
    if drawing.shapes:
        layers.append(_shapes_layer(drawing, mpp, text("outlines_of", file=name)))
    if drawing.points:
        layers.append(_points_layer(drawing, mpp, text("points_of", file=name)))
    return layers


def _shapes_layer(drawing: _Drawing, mpp: Mpp, name: str) -> LayerData:
    settings: dict[str, Any] = {
        "name": name,
        "shape_type": drawing.kinds,
        "edge_width": _LINE_UM / mpp.mean,
        "edge_color": _rgba(drawing.shape_colours, np.ones(len(drawing.shapes))),
        "face_color": _rgba(drawing.shape_colours, np.asarray(drawing.fills)),
        "features": {"label": np.asarray(drawing.shape_names, object)},
        "metadata": {METADATA: {"kind": "outlines"}},
        **vector_frame(mpp),
    }
    return drawing.shapes, settings, "shapes"


def _points_layer(drawing: _Drawing, mpp: Mpp, name: str) -> LayerData:
    settings: dict[str, Any] = {
        "name": name,
        "size": _POINT_UM / mpp.mean,
        "face_color": _rgba(drawing.point_colours, np.ones(len(drawing.points))),
        "features": {"label": np.asarray(drawing.point_names, object)},
        "metadata": {METADATA: {"kind": "outlines"}},
        **vector_frame(mpp),
    }
    return np.asarray(drawing.points), settings, "points"


def _rgba(colours: Sequence[Rgb], opacity: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.asarray(colours, np.float64) / 255, opacity])


def _yx(geometry: BaseGeometry) -> NDArray[np.float64]:
    return np.asarray(geometry.coords, np.float64)[:, 1::-1].copy()
