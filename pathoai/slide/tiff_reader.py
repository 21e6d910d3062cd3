"""Slides in TIFF files, read directly: OME-TIFF, JPEG 2000, WebP, strips and all else in 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError, SlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.ome_xml import read_ome_xml
from pathoai.slide.reader import SlideDescription, SlideInfo
from pathoai.slide.tiff_directory import TiffSource
from pathoai.slide.tiff_levels import TiffLevel, TiffPyramid, tiff_pyramid
from pathoai.slide.tiff_parts import PartDecoder, check_readable
from pathoai.slide.tiff_scale import objective_power, stated_mpp
from pathoai.slide.tiled_reader import TiledReader, finite_number

_ICC_PROFILE = 34675


class TiffBackend:
    """Recognises, describes and opens slides in TIFF files."""

    name = "tiff"
    rank = 10

    def describe(self, path: Path) -> SlideDescription:
        """What the file says of itself.

        Raises:
            NotASlideError: It is no TIFF file, or one of another kind than slides are.
            DamagedSlideError: It is one, but its directories are damaged.
        """
        with TiffSource(path) as source:
            pyramid = _readable_pyramid(source)
            return SlideDescription(
                vendor=pyramid.vendor,
                levels=pyramid.sizes,
                stated_mpp=stated_mpp(pyramid),
                objective_power=objective_power(pyramid),
                compression=pyramid.levels[0].compression_name,
                associated_images=pyramid.associated,
                reader=self.name,
            )

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> TiledReader:
        """The slide, with its checked scale.

        Raises:
            NotASlideError: It is no TIFF file, or one of another kind than slides are.
            DamagedSlideError: It is one, but its directories are damaged.
        """
        source = TiffSource(path)
        try:
            pyramid = _readable_pyramid(source)
            info = SlideInfo(
                slide_id=slide_id,
                levels=pyramid.sizes,
                mpp=mpp,
                objective_power=finite_number(objective_power(pyramid)),
                vendor=pyramid.vendor,
                icc_profile=pyramid.first.data(_ICC_PROFILE) or None,
            )
        except SlideError:
            source.close()
            raise
        parts = [TiffParts(source, level) for level in pyramid.levels]
        return TiledReader(info, parts, source.close)


@dataclass(eq=False)
class TiffParts:
    """The tiles or strips of one level; their index is read with the first of them.

    Args:
        source: The open file.
        level: Which of its pictures.
    """

    source: TiffSource
    level: TiffLevel

    @property
    def size_px(self) -> Size:
        """Of the level."""
        return self.level.size_px

    @property
    def part_px(self) -> Size:
        """Of one tile or strip."""
        return self.level.part_px

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.level.find_parts()

    def read(self, row: int, column: int) -> NDArray[np.uint8] | None:
        """A tile or strip, ``(height, width, 3)`` uint8; None where the file has none.

        Raises:
            DamagedSlideError: It lies outside the file, or cannot be decoded.
        """
        offsets, byte_counts = self._index
        offset, count = int(offsets[row, column]), int(byte_counts[row, column])
        if count == 0:
            return None
        decoder = PartDecoder(self.level)
        if count > decoder.most_bytes():
            raise DamagedSlideError(
                "a tile is larger than all of its pixels", found=f"{count} bytes"
            )
        part, full = self.level.part_px, self.level.size_px
        visible = Size(
            min(part.width, full.width - column * part.width),
            min(part.height, full.height - row * part.height),
        )
        return decoder.decode(self.source.read(offset, count), visible)


def _readable_pyramid(source: TiffSource) -> TiffPyramid:
    pyramid = tiff_pyramid(source.directories())
    for level in pyramid.levels:
        check_readable(level, pyramid.vendor)
    if pyramid.vendor == "ome-tiff":
        _refuse_planes(pyramid)
    return pyramid


def _refuse_planes(pyramid: TiffPyramid) -> None:
    """One of several planes or channels is not the slide, and nobody said which to take."""
    ome = read_ome_xml(pyramid.description)
    if ome.planes > 1:
        raise NotASlideError(f"it has {ome.planes} focal planes or time points")
    if pyramid.levels[0].samples == 1 and ome.channels > 1:
        raise NotASlideError(
            f"it has {ome.channels} channels, each apart: fluorescence is not read"
        )
