"""Parts of a slide where what models say is out of sight, wherever one looks from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_pathoai.picture.pyramid import LazyLevel
from pathoai.geometry import Mpp, Region

if TYPE_CHECKING:
    from napari.layers import Layer


def cover_layer(layer: Layer, regions: Sequence[Region], slide_mpp: Mpp) -> None:
    """Let a layer show nothing of some regions, and everything of the others.

    A pixel of a coarse level that reaches into a region is covered whole.

    Args:
        layer: A raster of ours, from the slide's top left edge; another is left as it is.
        regions: Level-0 pixels.
        slide_mpp: Scale of level 0.
    """
    data = layer.data if getattr(layer, "multiscale", False) else [layer.data]
    levels = [level for level in data if isinstance(level, LazyLevel)]
    if not levels:
        return
    (height, width), (pixel_y, pixel_x) = levels[0].shape[:2], layer.scale
    changed = False
    for level in levels:
        step_y = pixel_y * height / level.shape[0] / slide_mpp.y
        step_x = pixel_x * width / level.shape[1] / slide_mpp.x
        changed |= level.cover(
            [
                (
                    (math.floor(one.y / step_y), math.ceil(one.bottom / step_y)),
                    (math.floor(one.x / step_x), math.ceil(one.right / step_x)),
                )
                for one in regions
            ]
        )
    if changed:
        layer.refresh()
