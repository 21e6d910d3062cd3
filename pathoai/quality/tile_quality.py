"""How much of each tile is under which artefact, so that whoever trains or predicts may choose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.quality.artefacts import ARTEFACTS
from pathoai.quality.quality_map import QualityMap
from pathoai.store.class_shares import ClassShares
from pathoai.tiling.grid import TileGrid


def tile_quality(quality: QualityMap, tiles: TileGrid) -> dict[str, NDArray[np.float32]]:
    """Shares of the tiles' area.

    Args:
        quality: The map of the tiles' slide.
        tiles: Tiles of any size and scale.

    Returns:
        For ``assessed`` (there is tissue) and each artefact's key, ``(N,)`` float32, 0 to 1, of
        the whole tile. ``tiles.origins_px[columns["pen"] <= 0.1]`` is a choice of tiles.
    """
    classes = {artefact.key: artefact.index for artefact in ARTEFACTS}
    shares = ClassShares.of_map(quality.class_map, quality.grid, classes)
    return shares.of_tiles(tiles.grid, tiles.origins_px, tiles.spec.size_px)
