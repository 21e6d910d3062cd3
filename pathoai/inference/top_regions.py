"""The reasons of a grade: where on the slide the tiles lie that weighed most."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely

from pathoai.geometry import Mpp
from pathoai.inference.attention_map import WeighedTiles

MOST_REGIONS = 10
HEAVY = 0.5
"""Tiles at least half as heavy as the heaviest: 128 or more on the attention map."""


@dataclass(frozen=True, slots=True)
class TopRegion:
    """Heavy tiles that touch or overlap.

    Args:
        weight: What all of them weigh; the tiles of a slide weigh 1.
        tiles: How many they are.
        area_mm2: What they cover.
        x: Centre of the heaviest of them, level-0 pixels.
        y: Likewise.
        width: Of the region's bounds, level-0 pixels.
        height: Likewise.
    """

    weight: float
    tiles: int
    area_mm2: float
    x: float
    y: float
    width: float
    height: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def top_regions(tiles: WeighedTiles, slide_mpp: Mpp) -> list[TopRegion]:
    """Merge the heavy tiles that touch along an edge or overlap.

    Args:
        tiles: All tiles that the model saw.
        slide_mpp: Scale of the slide.

    Returns:
        At most ten regions, the heaviest first. Of a model that looks everywhere alike they are the
        tissue.
    """
    heavy = np.flatnonzero(tiles.weights >= HEAVY * tiles.weights.max())
    corner, side = tiles.left_top[heavy], np.array(tiles.side)
    boxes = shapely.box(*corner.T, *(corner + side).T)
    # Corners are products of whole numbers and one scale; a grid keeps edges from missing.
    merged = shapely.get_parts(shapely.union_all(boxes, grid_size=float(side.min()) * 1e-6))
    centres = corner + side / 2
    inside = shapely.STRtree(merged).query(shapely.points(centres), predicate="within")
    found = []
    for at, outline in enumerate(merged):
        members = inside[0][inside[1] == at]
        weights = tiles.weights[heavy][members]
        x, y = centres[members[np.argmax(weights)]]
        left, top, right, bottom = shapely.bounds(outline)
        found.append(
            TopRegion(
                round(float(weights.sum()), 6),
                len(members),
                round(float(shapely.area(outline)) * slide_mpp.pixel_area_um2 / 1e6, 6),
                *(round(float(v), 2) for v in (x, y, right - left, bottom - top)),
            )
        )
    return sorted(found, key=lambda region: (-region.weight, region.y, region.x))[:MOST_REGIONS]
