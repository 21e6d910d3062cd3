"""How much of each tile is under which artefact, so that whoever trains or predicts may choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pathoai.ontology import NOT_ASSESSED
from pathoai.quality.artefacts import ARTEFACTS
from pathoai.quality.quality_map import QualityMap
from pathoai.tiling.grid import TileGrid
from pathoai.tissue.mask import TissueMask


def tile_quality(quality: QualityMap, tiles: TileGrid) -> dict[str, NDArray[np.float32]]:
    """Shares of the tiles' area.

    Args:
        quality: The map of the tiles' slide.
        tiles: Tiles of any size and scale.

    Returns:
        For ``assessed`` (there is tissue) and each artefact's key, ``(N,)`` float32, 0 to 1, of
        the whole tile. ``tiles.origins_px[columns["pen"] <= 0.1]`` is a choice of tiles.
    """
    x, y = tiles.origins_px.astype(np.float64).T
    left, top = x * tiles.grid.downsample_x, y * tiles.grid.downsample_y
    size = tiles.spec.size_px
    extent = (size * tiles.grid.downsample_x, size * tiles.grid.downsample_y)
    mask = TissueMask(
        quality.class_map != NOT_ASSESSED, quality.grid, quality.cell_um, method="quality"
    )
    columns = {"assessed": mask.fraction(left, top, extent)}
    for artefact in ARTEFACTS:
        # A mask of this artefact instead of tissue: the shares of rectangles are the same sums.
        here = replace(mask, mask=quality.class_map == artefact.index)
        columns[artefact.key] = here.fraction(left, top, extent)
    return columns
