"""The class map of a prediction, block by block; where a model made none, all tissue serves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.ontology import BACKGROUND_INDEX
from pathoai.store.label_image import LabelImage
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore


@dataclass(frozen=True)
class ClassMap:
    """What is known of the class of each pixel.

    Args:
        grid: Its raster.
        pixel_mm2: Area of a pixel.
        label: Where it is stored; None for a map that is background everywhere.
    """

    grid: Grid
    pixel_mm2: float
    label: LabelImage | None = None

    @classmethod
    def of(cls, store: SlideStore, label: LabelImage | None) -> ClassMap:
        """That of a prediction, or one as fine as the tissue mask."""
        grid = store.tissue.grid if label is None else label.grid()
        scale = store.header.slide_mpp
        pixel_um2 = grid.downsample_x * scale.x * grid.downsample_y * scale.y
        return cls(grid, pixel_um2 / 1e6, label)

    @property
    def mpp(self) -> float:
        """Side of a square of a pixel's area, µm."""
        return math.sqrt(self.pixel_mm2 * 1e6)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.grid.size_px.height, self.grid.size_px.width)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of blocks of at most 2048 pixels a side."""
        return (shard_slices(shard, self.shape) for shard in shards_of(self.shape))

    def read(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """The classes of a block, ``(h, w)`` uint8; 255 where nobody assessed it."""
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        if self.label is None:
            return np.full((size.height, size.width), BACKGROUND_INDEX, np.uint8)
        return self.label.reader.read(columns.start, rows.start, size)
