"""A slide becomes a store: tissue first, then the pixels of the chunks that hold some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import local

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai import entry_points
from pathoai.errors import InvalidValueError
from pathoai.geometry import Size
from pathoai.ontology import LabelClass
from pathoai.preprocess.resample import Taps, resample
from pathoai.progress import Advance, silent
from pathoai.slide.reader import SlideReader
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import WHITE, ImageWriter
from pathoai.store.label_image import LabelRecipe, LabelWriter
from pathoai.store.shards import CHUNK_PX, Shard, shard_slices, shards_of
from pathoai.store.slide_store import TISSUE, SlideStore, is_complete
from pathoai.store.tile_index import write_tile_index
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import GROUP as TISSUE_METHODS
from pathoai.tissue.mask import TissueMask, find_tissue, tissue_grid

TISSUE_CLASS = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
_MARGIN_PX = 32
"""Context kept around tissue, in store pixels: the edge of a biopsy is not the edge of the data."""


@dataclass(frozen=True, slots=True)
class TilingSettings:
    """How slides become stores.

    Args:
        spec: Scale of the store, and the tiles whose index is kept.
        tissue_method: Name in the entry-point group ``pathoai.tissue_methods``.
        workers: Threads that read and decode.
        device: Where pixels are resampled.
    """

    spec: TileSpec
    tissue_method: str = "otsu"
    workers: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        """Refuse an unknown method and no workers before any slide is opened."""
        entry_points.load(TISSUE_METHODS, self.tissue_method)
        if self.workers < 1:
            raise InvalidValueError("workers", found=self.workers, allowed="1 or more")


def tile_slide(
    open_reader: Callable[[], SlideReader],
    path: Path,
    settings: TilingSettings,
    *,
    source_sha256: str = "",
    advance: Advance = silent,
) -> SlideStore:
    """Make the store of one slide, or go on where an interrupted run stopped.

    Args:
        open_reader: Opens the slide; called once per thread.
        path: Where the store goes.
        settings: Scale and method.
        source_sha256: Hash of the slide's file, kept in the store.
        advance: Told of shards done and shards in all.

    Raises:
        NoTissueError: No tissue, or no tile with enough of it.
        DamagedSlideError: The slide's pixels cannot be decoded.
        StoreError: A store with other settings lies at the path.
    """
    with closing(open_reader()) as reader:
        header = _header(reader, settings, source_sha256)
        if is_complete(path) and (store := SlideStore(path)).header == header:
            write_tile_index(path, store.tiles(settings.spec))
            return store
        grid, mpp = tissue_grid(header.grid, header.mpp)
        tissue = find_tissue(reader, grid, mpp=mpp, method=settings.tissue_method)
        tiles = TileGrid.over_tissue(settings.spec, reader.info, tissue)
    writer = ImageWriter(path, header)
    _write_pixels(writer, _ChunkReader(open_reader, header), tissue, settings, advance)
    _write_tissue(path, header, tissue)
    write_tile_index(path, tiles)
    writer.finish()
    return SlideStore(path)


def _header(reader: SlideReader, settings: TilingSettings, source_sha256: str) -> StoreHeader:
    info = reader.info
    return StoreHeader(
        slide_id=info.slide_id,
        slide_width=info.size.width,
        slide_height=info.size.height,
        slide_mpp_x=info.mpp.x,
        slide_mpp_y=info.mpp.y,
        mpp=settings.spec.mpp,
        tissue_method=settings.tissue_method,
        source_sha256=source_sha256,
        vendor=info.vendor,
        objective_power=info.objective_power,
        quickhash=info.quickhash,
    )


@dataclass(frozen=True, slots=True)
class _SourceBlock:
    """What one chunk of the store is made of: pixels of a level of the slide, and the taps."""

    x_px: int
    y_px: int
    pixels: NDArray[np.uint8]
    rows: Taps
    columns: Taps


class _ChunkReader:
    """Reads what chunks are made of, in threads, each with a reader of its own."""

    def __init__(self, open_reader: Callable[[], SlideReader], header: StoreHeader) -> None:
        self._open_reader = open_reader
        self._header = header
        self._thread = local()
        self._opened: list[SlideReader] = []

    def __enter__(self) -> _ChunkReader:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._opened:
            reader.close()

    @property
    def _reader(self) -> SlideReader:
        if not hasattr(self._thread, "reader"):
            self._thread.reader = self._open_reader()
            self._opened.append(self._thread.reader)
        reader: SlideReader = self._thread.reader
        return reader

    def read(self, x_px: int, y_px: int, size_px: Size) -> _SourceBlock:
        """What the chunk at a place of the store is made of, positions in store pixels."""
        reader, grid = self._reader, self._header.grid
        level = reader.info.level_for(min(grid.downsample_x, grid.downsample_y))
        downsample = reader.info.levels[level].downsample
        columns = Taps.between(x_px, size_px.width, grid.downsample_x / downsample)
        rows = Taps.between(y_px, size_px.height, grid.downsample_y / downsample)
        pixels = reader.read_region(
            round(columns.first_px * downsample),
            round(rows.first_px * downsample),
            level,
            Size(columns.length_px, rows.length_px),
        )
        return _SourceBlock(x_px, y_px, pixels, rows, columns)


def _chunks_with_tissue(
    writer: ImageWriter, shard: Shard, tissue: TissueMask
) -> list[tuple[int, int]]:
    """Origins x, y of a shard's chunks that hold tissue or lie close to some, in store pixels."""
    rows, columns = shard_slices(shard, writer.finest.array.shape)
    y, x = np.mgrid[rows.start : rows.stop : CHUNK_PX, columns.start : columns.stop : CHUNK_PX]
    grid = writer.header.grid
    side = CHUNK_PX + 2 * _MARGIN_PX
    fraction = tissue.fraction(
        (x.ravel() - _MARGIN_PX) * grid.downsample_x,
        (y.ravel() - _MARGIN_PX) * grid.downsample_y,
        (side * grid.downsample_x, side * grid.downsample_y),
    )
    keep = fraction > 0
    return list(zip(x.ravel()[keep].tolist(), y.ravel()[keep].tolist(), strict=True))


def _write_pixels(
    writer: ImageWriter,
    chunks: _ChunkReader,
    tissue: TissueMask,
    settings: TilingSettings,
    advance: Advance,
) -> None:
    shape = writer.finest.array.shape
    shards = list(shards_of(shape))
    with chunks, ThreadPoolExecutor(settings.workers) as pool:
        for done, shard in enumerate(shards, start=1):
            if not writer.finest.is_done(shard):
                wanted = _chunks_with_tissue(writer, shard, tissue)
                if wanted:
                    blocks = pool.map(lambda at: _read(chunks, shape, at), wanted)
                    writer.finest.write(shard, _shard_pixels(shape, shard, blocks, settings.device))
            advance(done, len(shards))


def _read(chunks: _ChunkReader, shape: tuple[int, ...], at: tuple[int, int]) -> _SourceBlock:
    x, y = at
    return chunks.read(x, y, Size(min(CHUNK_PX, shape[2] - x), min(CHUNK_PX, shape[1] - y)))


def _shard_pixels(
    shape: tuple[int, ...], shard: Shard, blocks: Iterable[_SourceBlock], device: torch.device
) -> NDArray[np.uint8]:
    rows, columns = shard_slices(shard, shape)
    pixels = np.full((3, rows.stop - rows.start, columns.stop - columns.start), WHITE, np.uint8)
    # A row of chunks shares its taps along y, and is one batch on the device.
    for y, strip in groupby(blocks, key=lambda block: block.y_px):
        row = list(strip)
        for block, chunk in zip(row, _resample_row(row, device), strict=True):
            top, left = y - rows.start, block.x_px - columns.start
            pixels[:, top : top + chunk.shape[1], left : left + chunk.shape[2]] = chunk
    return pixels


def _resample_row(row: list[_SourceBlock], device: torch.device) -> list[NDArray[np.uint8]]:
    """The chunks of one row of the store, each ``(3, height, width)`` uint8."""
    side_by_side = np.concatenate([block.pixels for block in row], axis=1)
    batch = torch.from_numpy(np.ascontiguousarray(side_by_side.transpose(2, 0, 1)))[None]
    columns = Taps.side_by_side([block.columns for block in row])
    found = resample(batch.to(device), row[0].rows, columns)[0].cpu().numpy()
    widths = [len(block.columns.index) for block in row]
    return np.split(found, np.cumsum(widths)[:-1], axis=2)


def _write_tissue(path: Path, header: StoreHeader, tissue: TissueMask) -> None:
    recipe = LabelRecipe(
        TISSUE,
        (TISSUE_CLASS,),
        {"origin": "method", "method": tissue.method},
        factor=round(tissue.mpp / header.mpp),
    )
    writer = LabelWriter(path, header, recipe)
    mask = tissue.mask.astype(np.uint8)
    for shard in shards_of(mask.shape):
        rows, columns = shard_slices(shard, mask.shape)
        writer.class_map.write(shard, mask[rows, columns])
    writer.finish()
