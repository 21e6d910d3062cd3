"""Tiles of labelled stores, in columns, and their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pathoai.geometry import Grid, Region, Size
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.store.tile_reader import TileReader
from pathoai.tiling.spec import TileSpec


@dataclass(frozen=True, slots=True)
class LabelledSlide:
    """A store and the name of the label that is learnt from it."""

    path: Path
    label_name: str

    def open(self) -> tuple[SlideStore, LabelImage]:
        """Both, open for reading.

        Raises:
            StoreError: The store or its label is absent or incomplete.
        """
        store = SlideStore(self.path)
        return store, store.label(self.label_name)


@dataclass(frozen=True, slots=True)
class TileColumns:
    """Tiles of several slides.

    Args:
        slide: ``(N,)`` int32 position of each tile's slide in a list that the owner keeps.
        origins_px: ``(N, 2)`` int64 x and y of its top left, pixels of the slide's grid at the
            spec's mpp.
        size_px: Side of all of them, in the same pixels.
    """

    slide: NDArray[np.int32]
    origins_px: NDArray[np.int64]
    size_px: int

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.slide)

    @classmethod
    def joined(cls, origins: Sequence[NDArray[np.int64]], size_px: int) -> TileColumns:
        """Tiles of consecutive slides below each other; a slide may have none."""
        counts = [len(one) for one in origins]
        slide = np.repeat(np.arange(len(origins), dtype=np.int32), counts)
        empty = np.empty((0, 2), np.int64)
        return cls(slide, np.concatenate([empty, *origins]), size_px)


ReadPart = Callable[[int, int, Size], NDArray[Any]]
"""``LabelImage.read`` or ``LabelImage.read_instances``."""


def label_tile(
    read: ReadPart, own: Grid, grid: Grid, x_px: int, y_px: int, size_px: int
) -> NDArray[Any]:
    """A plane of a label in a square of a grid, each pixel taking the value under its centre.

    Args:
        read: Of the plane.
        own: The label's own grid.
        grid: The grid of the square.
        x_px: Left edge, in pixels of ``grid``.
        y_px: Top edge likewise.
        size_px: Side likewise.

    Returns:
        ``(size_px, size_px)``, as ``read`` gives it.
    """
    steps = np.arange(size_px) + 0.5
    columns = np.floor((x_px + steps) * (grid.downsample_x / own.downsample_x)).astype(np.int64)
    rows = np.floor((y_px + steps) * (grid.downsample_y / own.downsample_y)).astype(np.int64)
    left, top = int(columns[0]), int(rows[0])
    span = Size(int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)
    values = read(left, top, span)
    if span == Size(size_px, size_px):
        return values
    return values[np.ix_(rows - top, columns - left)]


class TilesDataset(Dataset[tuple[torch.Tensor, ...]]):
    """Images and targets of tiles; stores are opened at first use, in each worker for itself.

    Args:
        slides: The slides that ``tiles.slide`` counts.
        tiles: Which tiles, in columns.
        spec: Their scale.
        channel_of: ``(256,)`` uint8: value of the class map → output channel, 255 where ignored.
    """

    def __init__(
        self,
        slides: Sequence[LabelledSlide],
        tiles: TileColumns,
        spec: TileSpec,
        channel_of: NDArray[np.uint8],
    ) -> None:
        """Open nothing yet."""
        self.tiles = tiles
        self._slides = tuple(slides)
        self.spec = spec
        self._channel_of = channel_of
        self._readers: dict[int, TileReader] = {}

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        """One of what :meth:`__getitems__` gives."""
        (item,) = self.__getitems__([index])
        return item

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, ...]]:
        """Of each tile image ``(3, S, S)`` uint8 and target ``(S, S)`` uint8, 255 where ignored.

        What a DataLoader asks for a batch: one read of each slide.
        """
        wanted, size = np.asarray(indices, np.int64), self.tiles.size_px
        images = np.empty((len(wanted), 3, size, size), np.uint8)
        targets = np.empty((len(wanted), size, size), np.uint8)
        of_slide = self.tiles.slide[wanted]
        for slide in np.unique(of_slide).tolist():
            here = np.flatnonzero(of_slide == slide)
            batch = self._reader(slide).read(self.tiles.origins_px[wanted[here]])
            images[here] = batch.pixels.transpose(0, 3, 1, 2)
            (values,) = batch.labels.values()
            targets[here] = self._channel_of[values]
        return list(zip(torch.from_numpy(images), torch.from_numpy(targets), strict=True))

    def region(self, index: int) -> Region:
        """Where a tile lies on its slide, in level-0 pixels."""
        grid = self._reader(int(self.tiles.slide[index])).grid
        x_px, y_px = (int(value) for value in self.tiles.origins_px[index])
        return grid.region(x_px, y_px, self.tiles.size_px, self.tiles.size_px)

    def _reader(self, slide: int) -> TileReader:
        if slide not in self._readers:
            source = self._slides[slide]
            spec = replace(self.spec, size_px=self.tiles.size_px, overlap_px=0)
            store = SlideStore(source.path)
            self._readers[slide] = TileReader(store, spec, (source.label_name,))
        return self._readers[slide]
