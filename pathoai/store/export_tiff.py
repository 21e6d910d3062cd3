"""A store as a plain pyramidal BigTIFF, which OpenSlide, QuPath and all readers of TIFF open.

The levels are pages of their own, marked as reduced images, as OpenSlide's ``generic-tiff`` wants
them. All tiles without tissue of a level are one white tile in the file. The file holds pixels,
scale and colour profile, and says nothing of the slide or of its patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import tifffile

from pathoai.geometry import Mpp
from pathoai.progress import Advance, silent
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.new_target import new_target
from pathoai.store.slide_store import SlideStore
from pathoai.store.tiff_tiles import TiffTiles, tiff_tiles
from pathoai.store.verify_store import refuse_damaged

_UM_PER_CM = 10_000
_LARGEST_UINT32 = 2**32 - 1


def export_tiff(
    store: SlideStore, target: Path, *, workers: int = 2, advance: Advance = silent
) -> tuple[str, ...]:
    """Write the image of a store as a TIFF; labels have no place in one.

    Args:
        store: The store.
        target: The file to make.
        workers: Threads that decode and encode.
        advance: Told of rows of tiles begun, and of those in all.

    Returns:
        How each level was written: ``copied`` for JPEG chunks as they were, else its compression.

    Raises:
        InvalidValueError: Something lies at the target, or it lies in the store.
        StoreError: The store is damaged.
    """
    refuse_damaged(store.path, workers)
    header = store.header
    with (
        new_target(target, outside=store.path) as path,
        ThreadPoolExecutor(workers) as pool,
    ):
        levels = [tiff_tiles(store.path, header, i, pool) for i in range(len(header.layout))]
        pyramid = _Pyramid(header, levels, icc_profile=_icc_profile(store), advance=advance)
        pyramid.write(path)
        _share_white(path, pyramid.white_tiles)
    return tuple("copied" if tiles.copied else tiles.tags["compression"] for tiles in levels)


def _icc_profile(store: SlideStore) -> bytes | None:
    """The profile of the pixels as they are stored, where they have one."""
    header = store.header
    # Copied tiles are converted as they are read, and so keep their profile here.
    is_srgb = header.colour == "srgb" and header.encoding == "resampled"
    return None if is_srgb else store.icc_profile or None


class _Pyramid:
    """The levels, written one after the other, tile by tile."""

    def __init__(
        self,
        header: StoreHeader,
        levels: list[TiffTiles],
        *,
        icc_profile: bytes | None,
        advance: Advance,
    ) -> None:
        self.white_tiles: list[int | None] = [None for _ in levels]
        self._header = header
        self._levels = levels
        self._icc_profile = icc_profile
        self._advance = advance
        self._rows_begun = 0
        self._rows = sum(
            -(-layout.size_px.height // tiles.side_px)
            for layout, tiles in zip(header.layout, levels, strict=True)
        )

    def write(self, path: Path) -> None:
        # BigTIFF whatever the size: nobody knows it before the last tile.
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for level, layout in enumerate(self._header.layout):
                self._write_level(writer, level, layout)

    def _write_level(self, writer: tifffile.TiffWriter, level: int, layout: LevelLayout) -> None:
        tiles = self._levels[level]
        writer.write(
            self._tiles(level, -(-layout.size_px.height // tiles.side_px)),
            shape=(layout.size_px.height, layout.size_px.width, 3),
            dtype=np.uint8,
            tile=(tiles.side_px, tiles.side_px),
            subfiletype=1 if level else 0,
            resolution=_pixels_per_cm(self._header.pixel_mpp, layout.factor),
            resolutionunit="CENTIMETER",
            iccprofile=self._icc_profile,
            software="pathoai",
            # None leaves out the description, in which tifffile would describe the array.
            metadata=None,
            **tiles.tags,
        )

    def _tiles(self, level: int, rows: int) -> Iterator[bytes]:
        """All tiles of a level; the first white one is written, the others stay empty."""
        number = 0
        for row in range(rows):
            # Before the tiles: the writer never asks past the last one.
            self._rows_begun += 1
            self._advance(self._rows_begun, self._rows)
            for tile in self._levels[level].row(row):
                if not tile and self.white_tiles[level] is None:
                    self.white_tiles[level] = number
                    tile = self._levels[level].white
                yield tile
                number += 1


def _pixels_per_cm(mpp: Mpp, factor: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """The resolution along x and y as TIFF's rationals, exact for any scale of few digits."""
    # By way of the shortest text: 0.499 is meant, not the binary fraction nearest to it.
    exact = [_UM_PER_CM / (Fraction(repr(axis)) * Fraction(factor)) for axis in (mpp.x, mpp.y)]
    limit = [int(_LARGEST_UINT32 / max(Fraction(1), ratio)) for ratio in exact]
    x, y = (ratio.limit_denominator(most) for ratio, most in zip(exact, limit, strict=True))
    return (x.numerator, x.denominator), (y.numerator, y.denominator)


def _share_white(path: Path, white_tiles: list[int | None]) -> None:
    """Point all empty tiles of a level to its one white tile: readers disagree on empty ones."""
    with tifffile.TiffFile(path, mode="r+") as file:
        for page, white in zip(file.pages, white_tiles, strict=True):
            if white is None or not isinstance(page, tifffile.TiffPage):
                continue
            for tag in (page.tags["TileOffsets"], page.tags["TileByteCounts"]):
                tag.overwrite(tuple(value or tag.value[white] for value in tag.value))
