"""A slide becomes a store: tissue first, then the pixels of the chunks that hold some.

torch is imported only where a GPU resamples or stains are normalised: copying needs none of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pathoai.deidentify.icc_profile import without_history
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError, NotCopyableError, SlideError
from pathoai.geometry import Region
from pathoai.ontology import LabelClass
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tiles_reader import TilesReader
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.preprocess.write_resampled import made_on, resampled_levels, subsampling
from pathoai.progress import Advance, silent
from pathoai.slide.reader import SlideInfo, SlideReader
from pathoai.store.copy_tiles import TilesToCopy, copy_level, tiles_to_copy
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_image import is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.reopen_damaged import reopen_damaged_label
from pathoai.store.slide_store import TISSUE, SlideStore, is_complete
from pathoai.store.store_lock import locked
from pathoai.store.tile_index import write_tile_index
from pathoai.store.tissue_chunks import chunks_with_tissue
from pathoai.store.write_journal import DamagedChunk
from pathoai.tiling.grid import TileGrid
from pathoai.tissue.mask import TissueMask, find_tissue, tissue_grid

TISSUE_CLASS = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")


def tile_slide(
    source: SlideSource,
    path: Path,
    settings: TilingSettings,
    *,
    advance: Advance = silent,
) -> SlideStore:
    """Make the store of one slide, or go on where an interrupted run stopped.

    Args:
        source: The slide.
        path: Where the store goes.
        settings: Scale and method.
        advance: Told of shards done and shards in all.

    Raises:
        NoTissueError: No tissue, or no tile with enough of it.
        NotCopyableError: Its tiles should be copied and cannot.
        DamagedSlideError: More of the slide is damaged than the settings allow.
        StoreError: A store with other settings lies at the path, or another run writes there.
    """
    if is_complete(path):
        reopen_damaged_label(SlideStore(path), TISSUE, _about_tissue(settings.tissue_method))
    with locked(path), closing(source.open_reader()) as reader:
        tiles, why_not = _tiles(source, reader, settings)
        if settings.encoding == "source" and why_not is not None:
            raise why_not
        header = _header(reader, source, settings, tiles)
        if is_complete(path) and (store := SlideStore(path)).header.same_but_for_device(header):
            if not is_label_complete(path, TISSUE, _about_tissue(settings.tissue_method)):
                _write_tissue(path, header, _tissue(reader, header, tiles))
                store = SlideStore(path)
            write_tile_index(path, store.tiles(settings.spec))
            return store
        tissue = _tissue(reader, header, tiles)
        index = TileGrid.over_tissue(settings.spec, reader.info, tissue)
        writer = ImageWriter(path, header, icc_profile=_colours(reader.info))
        with _threads(settings) as pool:
            work = _Pixels(writer, tissue, pool, settings)
            if header.encoding == "source":
                made = work.copy(tiles, advance)
            else:
                made = work.resample(source, reader, tiles, advance)
            _write_tissue(path, header, tissue)
            write_tile_index(path, index)
            writer.finish(pool, made=made)
    return SlideStore(path)


def _threads(settings: TilingSettings) -> AbstractContextManager[ThreadPoolExecutor]:
    """In which chunks are made; torch is imported only where they use it."""
    if settings.normalisation is None or not settings.on_cpu:
        return ThreadPoolExecutor(settings.workers)
    from pathoai.preprocess.torch_threads import undivided_threads

    return undivided_threads(settings.workers)


def _tiles(
    source: SlideSource, reader: SlideReader, settings: TilingSettings
) -> tuple[TilesToCopy, SlideError | None]:
    """The slide's compressed tiles: to copy, or to decode faster; and why there are none."""
    none = TilesToCopy((), ())
    if source.path is None:
        return none, NotCopyableError("the slide is no file")
    try:
        return tiles_to_copy(source.path, reader), None
    except (NotCopyableError, DamagedSlideError) as error:
        return none, error


def _header(
    reader: SlideReader, source: SlideSource, settings: TilingSettings, tiles: TilesToCopy
) -> StoreHeader:
    info, profile = reader.info, _colours(reader.info)
    if settings.colour == "srgb" and not profile:
        raise SlideError(
            "the slide holds no ICC profile, so its colours cannot be converted",
            where=info.slide_id or "slide",
            remedy="tile it with the scanner's colours",
        )
    copies = tiles.levels and not settings.makes_pixels and settings.encoding != "resampled"
    header = StoreHeader(
        slide_id=info.slide_id,
        slide_width=info.size.width,
        slide_height=info.size.height,
        slide_mpp_x=info.mpp.x,
        slide_mpp_y=info.mpp.y,
        mpp=settings.mpp or info.mpp.mean,
        tissue_method=settings.tissue_method,
        compression=settings.compression,
        quality=settings.quality,
        colour=settings.colour,
        # As it will be read back: JSON knows no tuples.
        normalisation=json.loads(json.dumps(settings.normalisation)),
        icc_sha256=hashlib.sha256(profile).hexdigest() if profile else "",
        source_sha256=source.sha256,
        vendor=info.vendor,
        objective_power=info.objective_power,
        quickhash=info.quickhash,
        bounds=_tuple_of(info.bounds),
    )
    if copies:
        return replace(header, encoding="source", copied=tiles.levels)
    header = replace(header, made_on=made_on(header, reader, tiles, settings))
    return replace(header, subsampling=subsampling(header, reader, tiles))


def _colours(info: SlideInfo) -> bytes:
    """The slide's ICC profile without its history, which names a day, a device, even a person.

    One that is malformed goes as it cannot be told what it holds.
    """
    if not info.icc_profile:
        return b""
    try:
        return without_history(info.icc_profile, LeftBehind())
    except DamagedSlideError:
        return b""


def _tuple_of(bounds: Region | None) -> tuple[float, float, float, float] | None:
    return None if bounds is None else (bounds.x, bounds.y, bounds.width, bounds.height)


@dataclass(frozen=True)
class _Pixels:
    """The writing of a store's pixels, and the count of what was damaged."""

    writer: ImageWriter
    tissue: TissueMask
    pool: ThreadPoolExecutor
    settings: TilingSettings

    def copy(self, tiles: TilesToCopy, advance: Advance) -> int:
        """Copy every level that can be; returns how many."""
        header, writers = self.writer.header, self.writer.levels
        total = sum(len(writers[level].shards) for level in range(len(tiles.sources)))
        done = 0
        for level, tile_source in enumerate(tiles.sources):
            wanted = chunks_with_tissue(self.tissue, header.grid, header.layout[level])
            shards = copy_level(tile_source, writers[level], wanted, level=level, pool=self.pool)
            for _ in self._within_limit(shards, int(wanted.sum()), level):
                done += 1
                advance(done, total)
        return len(tiles.sources)

    def resample(
        self, source: SlideSource, reader: SlideReader, tiles: TilesToCopy, advance: Advance
    ) -> int:
        """Make the finest levels at the store's scale; returns how many."""
        header, writer = self.writer.header, self.writer
        wanted = chunks_with_tissue(self.tissue, header.grid, header.layout[0])
        making = resampled_levels(
            source,
            reader,
            tiles,
            writer=writer,
            tissue=self.tissue,
            wanted=wanted,
            settings=self.settings,
        )
        total = len(writer.finest.shards)
        with making as levels, closing(levels.run(self.pool)) as shards:
            for done, _ in enumerate(self._within_limit(shards, int(wanted.sum()), 0), start=1):
                advance(done, total)
        return levels.levels

    def _within_limit(
        self, shards: Iterable[Sequence[DamagedChunk]], chunks: int, level: int
    ) -> Iterable[None]:
        """Pass shards on until more is damaged than is allowed."""
        for _ in shards:
            damaged = [d for d in self.writer.journal.damaged if d.level == level]
            if len(damaged) > self.settings.max_damaged * chunks:
                raise _too_damaged(self.writer, damaged, chunks, self.settings.max_damaged)
            yield


def _too_damaged(
    writer: ImageWriter, damaged: Sequence[DamagedChunk], chunks: int, allowed: float
) -> DamagedSlideError:
    header, first = writer.header, damaged[0]
    layout = header.layout[first.level]
    corner = header.grid.coarser(layout.factor).region(
        first.column * layout.chunk_px, first.row * layout.chunk_px, 1, 1
    )
    return DamagedSlideError(
        "too much of the slide is damaged",
        where=f"{header.slide_id or 'slide'}, first at level-0 x={corner.x:.0f}, y={corner.y:.0f}",
        found=f"{len(damaged)} of {chunks} tiles so far: {first.reason}",
        allowed=f"{allowed:.3%}",
        remedy="scan or copy the slide again, or allow more with --max-damaged",
    )


def _tissue(reader: SlideReader, header: StoreHeader, tiles: TilesToCopy) -> TissueMask:
    grid, mpp = tissue_grid(header.grid, header.mpp)
    # Closed at once: what it keeps decoded would lie beside what follows.
    with closing(TilesReader(reader, tiles)) as seen:
        return find_tissue(seen, grid, mpp=mpp, method=header.tissue_method)


def _about_tissue(method: str) -> dict[str, Any]:
    return {"origin": "method", "method": method}


def _write_tissue(path: Path, header: StoreHeader, tissue: TissueMask) -> None:
    recipe = LabelRecipe(
        TISSUE,
        (TISSUE_CLASS,),
        _about_tissue(tissue.method),
        factor=round(tissue.mpp / header.mpp),
    )
    writer = LabelWriter(path, header, recipe)
    mask = tissue.mask.view(np.uint8)
    for shard in writer.class_map.shards:
        rows, columns = writer.class_map.slices(shard)
        writer.class_map.write(shard, mask[rows, columns])
    writer.finish(mask)
