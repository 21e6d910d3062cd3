"""Tiles with classes, and the numbers, middles and rims of their objects.

Processes that read load this file, so it imports no trainer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.store.label_image import LabelImage
from pathoai_training.data.instance_maps import instance_maps
from pathoai_training.data.tiles_dataset import ReadPart, TilesDataset, label_tile

_MARGIN_PX = 32
"""Seen around a tile: a nucleus that the tile cuts has its own middle, not the piece's."""


class InstanceTilesDataset(TilesDataset):
    """Tiles with the numbers of their objects, and the maps that follow from these."""

    def planes(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Targets as ever, maps ``(N, 1, S, S)`` float32, and numbers ``(N, S, S)`` int32."""
        maps, numbers = zip(*map(self._objects, indices), strict=True)
        return *super().planes(indices), torch.stack(maps), torch.stack(numbers)

    def _objects(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps and numbers of a tile."""
        reader = self._reader(int(self.tiles.slide[index]))
        (label,) = reader.label_images.values()
        x_px, y_px = (int(value) for value in self.tiles.origins_px[index])
        read = label.instance_reader.read if label.with_instances else _numbering(label)
        left, top, side = x_px - _MARGIN_PX, y_px - _MARGIN_PX, self.tiles.size_px + 2 * _MARGIN_PX
        numbers = label_tile(read, label.grid(), reader.grid, left, top, side)
        # Outside of the slide nothing is known: what its edge cuts goes on there, and has no rim.
        size = reader.grid.size_px
        rows = np.arange(top, top + side).clip(0, size.height - 1) - top
        columns = np.arange(left, left + side).clip(0, size.width - 1) - left
        inner = np.s_[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
        maps = instance_maps(numbers[np.ix_(rows, columns)])[:, *inner]
        return torch.from_numpy(maps), torch.from_numpy(numbers[inner].astype(np.int32))


def _numbering(label: LabelImage) -> ReadPart:
    """Numbers of objects that the label keeps apart by a line: each connected region is one."""

    def read(x_px: int, y_px: int, size_px: Size) -> NDArray[np.int32]:
        from scipy import ndimage

        values = label.reader.read(x_px, y_px, size_px)
        objects = (values != BACKGROUND_INDEX) & (values != NOT_ASSESSED)
        numbers: NDArray[np.int32] = ndimage.label(objects)[0]
        return numbers

    return read
