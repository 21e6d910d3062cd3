"""What of annotations cannot be edited as an outline, shown all the same: holes and points.

Frame: level-0 pixels (y, x), like the annotation layer's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import shapely
from napari.layers import Points, Shapes
from shapely.geometry.base import BaseGeometry

from napari_pathoai.drawing.outlines import Outline, holes_of, parts_of, vertices_of
from napari_pathoai.drawing.style import class_colour
from napari_pathoai.texts.texts import text
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation

_DOT_SCREEN_PX = 4
_HALO = "#00fff0"
"""A colour that neither stains nor classes have."""
_HALO_WIDTH = 2.5
"""Beside that of outlines: seen on both sides of one."""


class Companions:
    """Layers that the user sees but does not edit: holes, points, and a halo about the selection.

    Args:
        ontology: Gives the colours.
        frame: Scale, translate, units and metadata of the layers.
    """

    def __init__(self, ontology: Ontology, frame: Mapping[str, Any]) -> None:
        """Empty layers."""
        self._ontology = ontology
        self.holes = Shapes(ndim=2, name=text("holes"), **frame)
        self.halo = Shapes(ndim=2, name=text("selection"), **frame)
        self.points = Points(ndim=2, name=text("points"), **frame)

    def fill(self, annotations: Collection[Annotation], line_px: float) -> None:
        """Show the holes and points of these annotations, outlines ``line_px`` wide."""
        outlines, colours = [], []
        for annotation in annotations:
            for part in parts_of(annotation.geometry):
                outlines.extend(holes_of(part))
                colour = class_colour(self._ontology, annotation.label)
                colours.extend([colour] * len(part.interiors))
        self.holes.data = []
        if outlines:
            self.holes.add(
                outlines,
                shape_type="polygon",
                edge_width=line_px,
                edge_color=np.asarray(colours),
                face_color="transparent",
            )
        self._fill_points([a for a in annotations if not parts_of(a.geometry)], line_px)
        # napari makes a layer editable again whenever its data change.
        self.holes.editable = self.points.editable = False

    def set_line(self, line_px: float) -> None:
        """Make outlines and points ``line_px`` level-0 pixels wide."""
        if len(self.holes.data):
            self.holes.edge_width = [line_px] * len(self.holes.data)
        if len(self.halo.data):
            self.halo.edge_width = [_HALO_WIDTH * line_px] * len(self.halo.data)
        if len(self.points.data):
            self.points.size = _DOT_SCREEN_PX * line_px

    def show_halo(self, annotations: Collection[Annotation], line_px: float) -> None:
        """Show that these are selected, outlines ``line_px`` wide."""
        reach = _HALO_WIDTH * line_px
        rings = [ring for a in annotations for ring in rings_of(a.geometry, reach)]
        if not rings and not len(self.halo.data):
            return
        self.halo.data = []
        if rings:
            self.halo.add(
                rings,
                shape_type="polygon",
                edge_width=_HALO_WIDTH * line_px,
                edge_color=_HALO,
                face_color="transparent",
            )
        self.halo.editable = False

    def _fill_points(self, annotations: Collection[Annotation], line_px: float) -> None:
        centres = [(a.geometry.centroid.y, a.geometry.centroid.x) for a in annotations]
        self.points.data = np.asarray(centres, np.float64).reshape(-1, 2)
        if centres:
            colours = [class_colour(self._ontology, a.label) for a in annotations]
            self.points.face_color = np.asarray(colours)
            self.points.size = _DOT_SCREEN_PX * line_px


def needs_companion(annotation: Annotation) -> bool:
    """True for an annotation with holes, or without an area."""
    parts = parts_of(annotation.geometry)
    return not parts or any(part.interiors for part in parts)


def rings_of(geometry: BaseGeometry, reach: float) -> list[Outline]:
    """Outlines and holes of an area; a small square about anything else."""
    parts = parts_of(geometry)
    if not parts:
        parts = [shapely.box(*geometry.buffer(2 * reach).bounds)]
    return [ring for part in parts for ring in (vertices_of(part), *holes_of(part))]
