"""How much of each of many rectangles is under which class of a coarse map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.label_image import LabelImage
from pathoai.tissue.mask import TissueMask

ASSESSED = "assessed"


@dataclass(frozen=True)
class ClassShares:
    """The areas of a map's classes, summed up so that any rectangle is one look-up.

    Args:
        masks: Where each class lies, by its key.
    """

    masks: Mapping[str, TissueMask]

    @classmethod
    def of_map(
        cls, class_map: NDArray[np.uint8], grid: Grid, classes: Mapping[str, int]
    ) -> ClassShares:
        """For a class map.

        Args:
            class_map: ``(H, W)`` uint8; 255 where nothing was assessed.
            grid: Its raster.
            classes: Values by their keys.
        """
        # A mask of a class instead of tissue: the shares of rectangles are the same sums.
        where = {ASSESSED: class_map != NOT_ASSESSED}
        where |= {key: class_map == value for key, value in classes.items()}
        return cls({k: TissueMask(mask, grid, 1.0, method=k) for k, mask in where.items()})

    @classmethod
    def of_label(cls, label: LabelImage) -> ClassShares:
        """For the finest level of a label, which is read whole."""
        return cls.of_map(label.read_all(), label.grid(), label.classes)

    def of_tiles(
        self, grid: Grid, origins_px: NDArray[np.int64], size_px: int
    ) -> dict[str, NDArray[np.float32]]:
        """Shares of the area of square tiles.

        Args:
            grid: The raster of the tiles.
            origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of ``grid``.
            size_px: Side likewise.

        Returns:
            For ``assessed`` and each class, ``(N,)`` float32, 0 to 1, of the whole tile.
        """
        scale = np.array([grid.downsample_x, grid.downsample_y])
        left, top = (origins_px * scale).T
        size: Any = tuple((size_px * scale).tolist())
        return {key: mask.fraction(left, top, size) for key, mask in self.masks.items()}
