"""How a label image of NGFF lies on the slide: its scale, and where its top left is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pathoai.errors import AnnotationError, ImplausibleMppError
from pathoai.geometry import Mpp, Size
from pathoai.slide.ome_zarr_reader import MICROMETRES
from pathoai_annotations.formats.raster_grid import grid_in_file, snapped
from pathoai_annotations.slide_frame import Corner, SlideFrame

_ROUNDING_PX = 1e-3


def scale_um(
    image: Mapping[str, Any], axes: Sequence[str]
) -> tuple[tuple[float, float] | None, tuple[float, float]]:
    """µm per pixel, and the centre of the first one, of the finest level, along x and y.

    Args:
        image: One of the label's ``multiscales``.
        axes: Names of its axes, in the order of the array.

    Returns:
        The scale, None where the label states none in a known unit, and the centre.
    """
    units = {axis["name"]: MICROMETRES.get(str(axis.get("unit"))) for axis in image["axes"]}
    scale, shift, stated = np.ones(len(axes)), np.zeros(len(axes)), False
    for holder in (image["datasets"][0], image):
        for transform in holder.get("coordinateTransformations", ()):
            if transform["type"] == "scale":
                factor = np.array(transform["scale"], np.float64)
                scale, shift, stated = scale * factor, shift * factor, True
            elif transform["type"] == "translation":
                shift = shift + np.array(transform["translation"], np.float64)
    unit_x, unit_y = units["x"], units["y"]
    if not stated or unit_x is None or unit_y is None:
        return None, (0.0, 0.0)
    at = [axes.index("x"), axes.index("y")]
    (x, y), (shift_x, shift_y) = scale[at] * (unit_x, unit_y), shift[at] * (unit_x, unit_y)
    return (float(x), float(y)), (float(shift_x), float(shift_y))


def lies(
    frame: SlideFrame,
    corner: Corner,
    size: Size,
    stated_um: tuple[float, float] | None,
    centre_um: tuple[float, float],
    where: str,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Level-0 pixels per pixel, and where the top left lies.

    Args:
        frame: Of the slide.
        corner: Which corner the label counts from.
        size: Of its finest level.
        stated_um: As `scale_um` gives it.
        centre_um: Likewise.
        where: The label's name.

    Raises:
        AnnotationError: The scale cannot be true, or does not fit the slide.
    """
    part = frame.part(corner)
    if stated_um is None:  # it says nothing: it can but cover the slide
        wanted = max(part.width / size.width, part.height / size.height)
        stated_um = (wanted * frame.mpp.x, wanted * frame.mpp.y)
    try:
        mpp = Mpp(*stated_um)
    except ImplausibleMppError as error:
        raise AnnotationError(error.what, where=where, found=error.found) from error
    scale = (snapped(mpp.x / frame.mpp.x), snapped(mpp.y / frame.mpp.y))
    centre = (centre_um[0] / frame.mpp.x, centre_um[1] / frame.mpp.y)
    origin = tuple(_whole(c - (s - 1) / 2) for c, s in zip(centre, scale, strict=True))
    if centre == (0.0, 0.0) or origin == (0.0, 0.0):
        grid = grid_in_file(frame, corner, size, mpp, where=where)
        return (grid.downsample_x, grid.downsample_y), (0.0, 0.0)
    return scale, (origin[0], origin[1])


def _whole(value: float) -> float:
    return float(round(value)) if abs(value - round(value)) < _ROUNDING_PX else value
