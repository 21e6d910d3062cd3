"""What was drawn, cut to the slide."""

from __future__ import annotations

import shapely
from shapely.geometry.base import BaseGeometry

from napari_pathoai.texts.texts import text
from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from pathoai_annotations.drawing.block import on_slide


def within_slide(geometry: BaseGeometry, size: Size) -> BaseGeometry:
    """What of an area lies on the slide; left as it is where all of it does.

    Args:
        geometry: Level-0 pixels.
        size: Of the slide, level-0 pixels.

    Raises:
        AnnotationError: All of it lies beside the slide.
    """
    if shapely.box(0, 0, size.width, size.height).covers(geometry):
        return geometry
    if (found := on_slide(geometry, size)) is None:
        raise AnnotationError(text("beside_slide"))
    return found
