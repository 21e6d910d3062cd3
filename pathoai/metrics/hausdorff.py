"""How far apart two boundaries lie: the 95 % Hausdorff distance.

Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff distance. IEEE
Trans Pattern Anal Mach Intell 1993; as a measure of outlines: Taha AA, Hanbury A. BMC Med Imaging
2015. Of each boundary points are taken at equal steps along it, holes included, so that long parts
count more than short ones; from each the exact distance to the other boundary. The result is the
larger of the two 95th percentiles: a twentieth of a boundary may lie farther out.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

STEP_UM = 2.0
"""Between points on a boundary; the result is off by less."""
_MOST_POINTS = 200_000
"""Of one boundary; a longer one is sampled in larger steps."""


def hausdorff_95_um(
    first: BaseGeometry, second: BaseGeometry, *, step_um: float = STEP_UM
) -> float:
    """The distance in µm; NaN where one of the two has no boundary.

    Args:
        first: Polygons in µm.
        second: Polygons in µm, in the same frame.
        step_um: Between points on the boundaries.
    """
    if shapely.is_empty(first) or shapely.is_empty(second):
        return float("nan")
    one, other = shapely.boundary(first), shapely.boundary(second)
    if shapely.is_empty(one) or shapely.is_empty(other):
        return float("nan")
    return max(_percentile(one, other, step_um), _percentile(other, one, step_um))


def _percentile(source: BaseGeometry, target: BaseGeometry, step_um: float) -> float:
    points = _points_along(source, step_um)
    # Single edges, so that the tree finds the nearest without looking at the whole boundary.
    edges = _edges(target)
    _, distance = STRtree(edges).query_nearest(points, all_matches=False, return_distance=True)
    return float(np.percentile(distance, 95))


def _points_along(boundary: BaseGeometry, step_um: float) -> NDArray[np.object_]:
    """Points at equal steps along every ring, its start included."""
    rings = shapely.get_parts(boundary)
    lengths = shapely.length(rings)
    step = max(step_um, float(lengths.sum()) / _MOST_POINTS)
    counts = np.maximum(1, np.ceil(lengths / step)).astype(np.int64)
    ring = np.repeat(np.arange(len(rings)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    along = (np.arange(len(ring)) - start) / counts[ring] * lengths[ring]
    return np.asarray(shapely.line_interpolate_point(rings[ring], along), object)


def _edges(boundary: BaseGeometry) -> NDArray[np.object_]:
    corners, ring = shapely.get_coordinates(shapely.get_parts(boundary), return_index=True)
    same = ring[1:] == ring[:-1]
    ends = np.stack([corners[:-1][same], corners[1:][same]], axis=1)
    return np.asarray(shapely.linestrings(ends), object)
