"""Which chunks of a level are worth storing: those with tissue, or close to some."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.store.header import LevelLayout
from pathoai.tissue.mask import TissueMask

_MARGIN_PX = 32
"""Context kept around tissue, in pixels of the level: a biopsy's edge is not the data's."""


def chunks_with_tissue(tissue: TissueMask, grid: Grid, layout: LevelLayout) -> NDArray[np.bool_]:
    """The chunks of a level that touch tissue or its surroundings, ``(rows, columns)`` bool.

    Args:
        tissue: Where there is some.
        grid: The store's finest raster over the slide.
        layout: Of the level.
    """
    side, size = layout.chunk_px, layout.size_px
    rows, columns = -(-size.height // side), -(-size.width // side)
    y, x = np.mgrid[:rows, :columns] * side - _MARGIN_PX
    scale_x, scale_y = grid.downsample_x * layout.factor, grid.downsample_y * layout.factor
    span = side + 2 * _MARGIN_PX
    fraction = tissue.fraction(
        x.ravel() * scale_x, y.ravel() * scale_y, (span * scale_x, span * scale_y)
    )
    return (fraction > 0).reshape(rows, columns)
