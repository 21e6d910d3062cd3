"""Batches of tiles whose pixels are still compressed: what a loader hands over to a GPU.

Reading a store's chunks costs a loader next to nothing; decoding them is what keeps its cores busy.
Everything lies in a few tensors, so that worker processes share them and they can be pinned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.store.chunk_plan import TILE
from pathoai.store.jpeg_frame import JpegFrame
from pathoai.store.slide_store import SlideStore

PLACE, CHUNK, TO_Y, TO_X, FROM_Y, FROM_X, HEIGHT, WIDTH = range(8)
"""Columns of ``CompressedTiles.parts``."""


@dataclass(frozen=True, slots=True)
class PictureKind:
    """What decoders must know of chunks to take many at once.

    Args:
        compression: See ``ChunkCoding``.
        side_px: Of a chunk.
        ycbcr: A JPEG's colours are YCbCr, not RGB.
        subsampling: Of a JPEG's colours, across and down.
    """

    compression: str
    side_px: int
    ycbcr: bool = True
    subsampling: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class CompressedTiles:
    """Tiles made of chunks of one kind, of any number of slides.

    Args:
        kind: Of the chunks.
        data: ``(bytes,)`` uint8: the chunks one after the other, each once.
        ends: ``(C,)`` int64: where each chunk ends in ``data``.
        parts: ``(P, 8)`` int64, columns as named in this module: place of the tile in the batch,
            which chunk, and which part of it goes where, as in ``ChunkPlan``.
    """

    kind: PictureKind
    data: torch.Tensor
    ends: torch.Tensor
    parts: torch.Tensor

    def pictures(self) -> list[torch.Tensor]:
        """The bytes of each chunk, ``(bytes,)`` uint8, without copying them."""
        ends = self.ends.tolist()
        return [self.data[first:end] for first, end in zip([0, *ends], ends, strict=False)]

    def pin_memory(self) -> CompressedTiles:
        """The same in memory that a GPU reads directly; called by torch's loader."""
        return replace(self, data=self.data.pin_memory())


@dataclass(frozen=True, eq=False)
class CompressedBatch:
    """A batch of square tiles, not decoded yet.

    ``pathoai.preprocess.device_batch`` decodes it; a loader's ``pin_memory`` takes it as it is.

    Args:
        count: Number of tiles.
        size_px: Their side.
        groups: The tiles by the kind of their chunks; what none covers is white.
    """

    count: int
    size_px: int
    groups: tuple[CompressedTiles, ...]

    def pin_memory(self) -> CompressedBatch:
        """The same in memory that a GPU reads directly."""
        return replace(self, groups=tuple(group.pin_memory() for group in self.groups))


@dataclass(frozen=True, eq=False)
class StoreTiles:
    """Tiles of one level of a store.

    Args:
        store: The store.
        level: Index of the level.
        origins_px: ``(n, 2)`` int64: x and y of each tile's top left, in pixels of the level.
        places: ``(n,)`` int64: where in the batch each goes.

    Raises:
        InvalidValueError: The store's colours are converted as it is read.
    """

    store: SlideStore
    level: int
    origins_px: NDArray[np.int64]
    places: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse stores whose chunks are not yet what a reader gets."""
        if self.store.header.colour == "srgb" and self.store.header.encoding == "source":
            raise InvalidValueError(
                "a store whose colours are converted as it is read is not handed over compressed",
                where=self.store.slide_id,
                remedy="read its tiles with SlideStore.read_tiles",
            )

    def read(self, size_px: int) -> _Chunks:
        """Its chunks, and which parts of them the batch is made of."""
        plan = self.store.chunk_plan(self.level, self.origins_px, size_px)
        found = self.store.compressed_chunks(self.level, plan.chunks)
        pictures = [data for data in found if data is not None]
        present = np.array([data is not None for data in found], np.bool_)
        number = np.where(present, np.cumsum(present) - 1, -1)
        chunk = np.repeat(number, np.diff(plan.first))
        place = self.places[plan.parts[:, TILE]]
        parts = np.column_stack([place, chunk, plan.parts[:, TILE + 1 :]])[chunk >= 0]
        layout = self.store.header.layout[self.level]
        kind = PictureKind(layout.coding.compression, layout.chunk_px)
        if pictures and kind.compression == "jpeg":
            # All chunks of a level are alike: they were made at once, or proven when copied.
            frame = JpegFrame.of(pictures[0])
            kind = replace(kind, ycbcr=frame.ycbcr, subsampling=frame.subsampling)
        return _Chunks(kind, pictures, parts)


@dataclass(frozen=True, eq=False)
class _Chunks:
    """Of one store."""

    kind: PictureKind
    pictures: list[bytes]
    parts: NDArray[np.int64]


def read_compressed(sources: Sequence[StoreTiles], size_px: int) -> CompressedBatch:
    """Read the chunks of a batch, each once, and leave them as they are.

    Args:
        sources: The batch's tiles, store by store.
        size_px: Side of the tiles, in pixels of their levels.

    Raises:
        StoreError: A shard cannot be read.
    """
    groups: defaultdict[PictureKind, list[_Chunks]] = defaultdict(list)
    for source in sources:
        chunks = source.read(size_px)
        if chunks.pictures:
            groups[chunks.kind].append(chunks)
    count = sum(len(source.places) for source in sources)
    joined = tuple(_joined(kind, chunks) for kind, chunks in groups.items())
    return CompressedBatch(count, size_px, joined)


def _joined(kind: PictureKind, sources: Sequence[_Chunks]) -> CompressedTiles:
    pictures: list[bytes] = []
    for source in sources:
        source.parts[:, CHUNK] += len(pictures)
        pictures += source.pictures
    # Tensors must be writable, so the bytes are copied once.
    data = torch.frombuffer(bytearray().join(pictures), dtype=torch.uint8)
    ends = np.cumsum([len(one) for one in pictures], dtype=np.int64)
    parts = np.concatenate([source.parts for source in sources])
    return CompressedTiles(kind, data, torch.from_numpy(ends), torch.from_numpy(parts))
