"""From a class map to polygons whose outlines are pixel edges, so that areas are equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon
from shapely.affinity import affine_transform

from pathoai.vector.corners import corners_of
from pathoai.vector.outlined_regions import NO_WEIGHTS, OutlinedRegions, RegionSums
from pathoai.vector.pixel_regions import find_regions

AffineParameters = tuple[float, float, float, float, float, float]
"""Shapely's ``a, b, d, e, xoff, yoff``; see ``Grid.affine_to_level_0``."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected region of one value within a raster.

    Args:
        value: Its value in the class map.
        polygon: Its outline with holes, in pixels of the raster (edges at integers).
        weight: Mean of the weights over the region, 1 where there are none.
    """

    value: int
    polygon: Polygon
    weight: float = 1.0


def polygonise(
    class_map: NDArray[np.integer],
    *,
    ignore: Sequence[int] = (0, 255),
    origin_px: tuple[int, int] = (0, 0),
    weights: NDArray[np.float32] | None = None,
) -> list[Piece]:
    """Outline every region of equal value; pixels that touch at a corner only are apart.

    A raster that does not fit in memory is outlined by its blocks (:func:`outline_block`), whose
    seams :func:`heal_seams` takes away.

    Args:
        class_map: ``(H, W)`` whole numbers, the whole raster or a part of it.
        ignore: Values that are not outlined.
        origin_px: x and y of the part in the raster.
        weights: ``(H, W)`` float32 to average over each region, e.g. probabilities.

    Returns:
        The regions, in pixels of the whole raster.
    """
    regions = find_regions(class_map, ignore)
    sums = RegionSums.of_pixels(regions, NO_WEIGHTS if weights is None else weights[None])
    found = OutlinedRegions.within(corners_of(regions, origin_px), sums)
    mean = np.ones(len(found)) if weights is None else found.sums.weight[:, 0] / found.sums.area_px
    columns = (found.sums.value.tolist(), found.outline, mean.tolist())
    return [Piece(*one) for one in zip(*columns, strict=True)]


def to_level_0(polygon: Polygon, affine: AffineParameters) -> Polygon:
    """A polygon in level-0 pixels, from one in pixels of a grid.

    Args:
        polygon: In pixels of the grid.
        affine: The grid's ``affine_to_level_0()``.
    """
    moved: Polygon = affine_transform(polygon, affine)
    return moved
