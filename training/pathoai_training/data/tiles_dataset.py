"""Tiles of labelled stores, in columns, and their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Region, Size
from pathoai.preprocess.compressed_batch import CompressedBatch, StoreTiles, read_compressed
from pathoai.store.grid_tiles import grid_tiles, level_origins
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
"""``MapReader.read``, or what makes more of it."""


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


_NO_LEVEL = "no level of the store has the scale of the tiles"


def _own_level(store: SlideStore, spec: TileSpec) -> int | None:
    """The level whose pixels are the tiles' own, without resampling."""
    return store.level_like(store.slide.grid(spec.mpp), Size(spec.size_px, spec.size_px))


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
        return list(zip(self.images(indices), *self.planes(indices), strict=True))

    def images(self, indices: Sequence[int]) -> torch.Tensor:
        """The images alone, ``(N, 3, S, S)`` uint8."""
        size = self.tiles.size_px
        images = np.empty((len(indices), 3, size, size), np.uint8)
        for reader, here, origins in self._by_slide(indices):
            pixels = grid_tiles(reader.store, reader.grid, origins, size)
            images[here] = pixels.transpose(0, 3, 1, 2)
        return torch.from_numpy(images)

    def planes(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """All but the images: targets ``(N, S, S)`` uint8, 255 where ignored."""
        size = self.tiles.size_px
        targets = np.empty((len(indices), size, size), np.uint8)
        for reader, here, origins in self._by_slide(indices):
            (values,) = reader.read_labels(origins).values()
            targets[here] = self._channel_of[values]
        return (torch.from_numpy(targets),)

    def compressed(self, indices: Sequence[int]) -> CompressedBatch:
        """The images, not decoded.

        Raises:
            InvalidValueError: A store does not allow it; see `why_not_undecoded`.
        """
        sources = []
        for reader, here, origins in self._by_slide(indices):
            level = _own_level(reader.store, reader.spec)
            if level is None:
                raise InvalidValueError(_NO_LEVEL, where=reader.store.slide_id)
            places = level_origins(reader.store, level, reader.grid, origins)
            sources.append(StoreTiles(reader.store, level, places, here))
        return read_compressed(sources, self.tiles.size_px)

    def why_not_undecoded(self) -> str:
        """Why batches cannot be handed over undecoded; empty where they can."""
        for slide in np.unique(self.tiles.slide).tolist():
            store = SlideStore(self._slides[slide].path)
            level = _own_level(store, self.spec)
            if level is None:
                return f"{store.slide_id}: {_NO_LEVEL}"
            if store.header.colour == "srgb" and store.header.encoding == "source":
                return f"{store.slide_id}: colours are converted as the store is read"
            coding = store.header.layout[level].coding.compression
            if coding != "jpeg":
                return f"{store.slide_id}: chunks are {coding}, not JPEG"
        return ""

    def _by_slide(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[TileReader, NDArray[np.int64], NDArray[np.int64]]]:
        """A batch slide by slide: reader, places in the batch, and origins."""
        wanted = np.asarray(indices, np.int64)
        of_slide = self.tiles.slide[wanted]
        for slide in np.unique(of_slide).tolist():
            here = np.flatnonzero(of_slide == slide)
            yield self._reader(slide), here, self.tiles.origins_px[wanted[here]]

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
