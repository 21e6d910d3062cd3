"""Regions of stores with the class of each, in columns, and their pixels at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pathoai.geometry import Region
from pathoai.store.region_views import RegionViews
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.tiles_dataset import TileColumns


@dataclass(frozen=True, slots=True)
class RegionColumns:
    """Regions of several slides.

    Args:
        tiles: Where they lie.
        classes: ``(N,)`` uint8 class of each.
    """

    tiles: TileColumns
    classes: NDArray[np.uint8]

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.classes)


class RegionsDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Views and classes of regions; stores are opened at first use, in each worker for itself.

    Args:
        stores: What ``regions.tiles.slide`` counts.
        regions: Which regions.
        spec: Size and scale of the near view.
        context: How many times coarser each further view is.
    """

    def __init__(
        self,
        stores: Sequence[Path],
        regions: RegionColumns,
        spec: TileSpec,
        context: Sequence[float] = (),
    ) -> None:
        """Open nothing yet."""
        self.regions = regions
        self.spec = spec
        self.context = tuple(context)
        self._stores = tuple(stores)
        self._readers: dict[int, RegionViews] = {}

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.regions)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One of what :meth:`__getitems__` gives."""
        (item,) = self.__getitems__([index])
        return item

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of each region its views ``(V, 3, S, S)`` uint8 and its class, int64.

        What a DataLoader asks for a batch: one read of each slide and scale.
        """
        wanted, size = np.asarray(indices, np.int64), self.spec.size_px
        tiles = self.regions.tiles
        views = np.empty((len(wanted), 1 + len(self.context), 3, size, size), np.uint8)
        of_slide = tiles.slide[wanted]
        for slide in np.unique(of_slide).tolist():
            here = np.flatnonzero(of_slide == slide)
            views[here] = self._reader(slide).read(tiles.origins_px[wanted[here]])
        classes = torch.from_numpy(self.regions.classes[wanted].astype(np.int64))
        return list(zip(torch.from_numpy(views), classes, strict=True))

    def region(self, index: int) -> Region:
        """What the near view shows of the slide, in level-0 pixels."""
        tiles = self.regions.tiles
        grid = self._reader(int(tiles.slide[index])).grid
        x_px, y_px = (int(value) for value in tiles.origins_px[index])
        return grid.region(x_px, y_px, tiles.size_px, tiles.size_px)

    def _reader(self, slide: int) -> RegionViews:
        if slide not in self._readers:
            store = SlideStore(self._stores[slide])
            self._readers[slide] = RegionViews(store, self.spec, self.context)
        return self._readers[slide]
