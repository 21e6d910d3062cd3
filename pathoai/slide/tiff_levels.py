"""The levels of a pyramid in a TIFF file, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.geometry import Size
from pathoai.slide.jpeg_stream import adobe_segment, tables_without_ends
from pathoai.slide.pyramid import checked_size, downsample, is_coarser_copy, tile_grid
from pathoai.slide.reader import Level
from pathoai.slide.tiff_directory import Directory

_SUBFILE_TYPE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_FILL_ORDER, _PREDICTOR, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = (
    266,
    317,
    322,
    323,
    324,
    325,
)
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _JPEG_TABLES = 338, 339, 347
_DESCRIPTION, _SOFTWARE, _XMP, _NDPI = 270, 305, 700, 65420
_UNSIGNED = {1, 4}
_BITS_OF_A_BYTE = 8
"""Sample formats: unsigned, and "undefined", which many writers put for it."""
_REDUCED = 1
_COMPRESSIONS = {
    1: "none",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR = 0, 1, 2, 6
"""Photometric interpretations that slides use."""
JPEG_2000 = {33003, 33005, 34712}
_APERIO_YCBCR = 33003


@dataclass(frozen=True, eq=False)
class TiffLevel:
    """One picture of a TIFF file: how it is cut, and how its parts are packed.

    Args:
        size_px: Of the picture, in its own pixels.
        part_px: Of one tile; of one strip, where the picture is not tiled.
        tiled: In tiles, else in strips.
        compression: The TIFF tag.
        photometric: The TIFF tag: 0 and 1 grey, 2 RGB, 6 YCbCr.
        samples: Values per pixel.
        bits: Bits of each value.
        unsigned: Values are whole numbers from 0.
        alpha: 0 none, 1 colours are multiplied by it, 2 they are not (as in the TIFF tag).
        predictor: 1 none, 2 differences along a row.
        planar: Each colour apart.
        directory: Where the rest stands.
    """

    size_px: Size
    part_px: Size
    tiled: bool
    compression: int
    photometric: int
    samples: int
    bits: int
    unsigned: bool
    alpha: int
    predictor: int
    planar: bool
    directory: Directory = field(repr=False)

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of parts."""
        return tile_grid(self.size_px, self.part_px)

    @property
    def fits_bytes(self) -> bool:
        """False where which values are black and white is not for a reader to guess."""
        return self.unsigned and self.bits <= _BITS_OF_A_BYTE

    @property
    def compression_name(self) -> str:
        """As people call it."""
        return _COMPRESSIONS.get(self.compression, f"TIFF compression {self.compression}")

    def is_bare_ycbcr(self, vendor: str) -> bool:
        """True where JPEG 2000 parts are YCbCr and their codestream does not know of it.

        Aperio marks such tiles so; others mean nothing but JPEG 2000 by the same number.
        """
        marked = vendor == "aperio" and self.compression == _APERIO_YCBCR
        return marked or (self.compression in JPEG_2000 and self.photometric == YCBCR)

    @cached_property
    def jpeg_header(self) -> bytes:
        """What its JPEG parts lack: the tables that they share, and the colour space.

        Raises:
            DamagedSlideError: The tables are damaged.
        """
        tables = tables_without_ends(self.directory.data(_JPEG_TABLES))
        return adobe_segment(ycbcr=self.photometric == YCBCR) + tables

    def check_index(self) -> None:
        """Refuse an index of another length, before it asks for memory.

        Raises:
            DamagedSlideError: The number of offsets or byte counts is not that of the parts.
        """
        rows, columns = self.grid_shape
        for tag in self._index_tags:
            if self.directory.count(tag) != rows * columns:
                raise DamagedSlideError(
                    "the index of tiles does not fit the picture",
                    found=f"{self.directory.count(tag)} entries for {rows} × {columns} tiles",
                    remedy="copy the file again; it is damaged or was cut short",
                )

    def find_parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offset in the file and number of bytes of each part, both ``(rows, columns)``.

        Raises:
            DamagedSlideError: Their number is not that of the parts, or they lie outside the file.
        """
        self.check_index()
        offsets, byte_counts = (self.directory.integers(tag) for tag in self._index_tags)
        return offsets.reshape(self.grid_shape), byte_counts.reshape(self.grid_shape)

    @property
    def _index_tags(self) -> tuple[int, int]:
        return (_TILE_OFFSETS, _TILE_COUNTS) if self.tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)


def tiff_level(directory: Directory) -> TiffLevel:
    """What a directory says of its picture.

    Raises:
        DamagedSlideError: It has no size, or one that no slide can have.
    """
    size = _size(directory, _WIDTH, _LENGTH)
    tiled = _TILE_WIDTH in directory
    if tiled:
        part = _size(directory, _TILE_WIDTH, _TILE_LENGTH)
    else:
        rows = directory.integer(_ROWS_PER_STRIP, size.height)
        part = Size(size.width, min(max(rows, 1), size.height))
    return TiffLevel(
        size_px=size,
        part_px=part,
        tiled=tiled,
        compression=directory.integer(_COMPRESSION, 1),
        photometric=directory.integer(_PHOTOMETRIC, 1),
        samples=directory.integer(_SAMPLES, 1),
        bits=_bits(directory),
        unsigned=directory.integer(_SAMPLE_FORMAT, 1) in _UNSIGNED,
        alpha=_alpha(directory),
        predictor=directory.integer(_PREDICTOR, 1),
        planar=directory.integer(_PLANAR, 1) == 2,
        directory=directory,
    )


def _size(directory: Directory, width_tag: int, height_tag: int) -> Size:
    return checked_size(directory.integer(width_tag, 0), directory.integer(height_tag, 0))


def _bits(directory: Directory) -> int:
    """Bits of each value; 0 where they are not of one size, or bits are reversed."""
    if directory.count(_BITS) > 16 or directory.integer(_FILL_ORDER, 1) != 1:
        return 0
    bits = set(directory.integers(_BITS).tolist()) or {1}
    return int(bits.pop()) if len(bits) == 1 else 0


def _alpha(directory: Directory) -> int:
    if _EXTRA_SAMPLES not in directory:
        return 0
    # "Unspecified" (0) is what many writers put where they mean alpha; libtiff reads it likewise.
    return directory.integer(_EXTRA_SAMPLES, 0) or 1


@dataclass(frozen=True, eq=False)
class TiffPyramid:
    """A slide in a TIFF file.

    Args:
        vendor: ``aperio``, ``ome-tiff`` or ``generic-tiff``.
        levels: Finest first.
        associated: The other pictures by name.
        description: The text of the first picture. It can hold a patient's name.
        first: The first directory.
    """

    vendor: str
    levels: tuple[TiffLevel, ...]
    associated: dict[str, Size]
    description: str = field(repr=False)
    first: Directory = field(repr=False)

    @property
    def sizes(self) -> tuple[Level, ...]:
        """Size and downsample of the levels, computed as OpenSlide does."""
        full = self.levels[0].size_px
        return tuple(Level(v.size_px, downsample(full, v.size_px)) for v in self.levels)


def tiff_pyramid(directories: Sequence[Directory]) -> TiffPyramid:
    """Tell the levels of a slide from the pictures beside it.

    Args:
        directories: The main chain, at least one.

    Raises:
        DamagedSlideError: The first picture has no size, or one that no slide can have.
        NotASlideError: It is of a kind in which tiles overlap, and OpenSlide alone knows where.
    """
    first = directories[0]
    description = first.text(_DESCRIPTION)
    _refuse_overlapping(first, description)
    vendor = _vendor(description)
    finest = tiff_level(first)
    levels = [finest]
    associated: dict[str, Size] = {}
    below = first.children()
    for number, directory in enumerate([*below, *directories[1:]], start=1):
        level = tiff_level(directory)
        reduced = number <= len(below) or directory.integer(_SUBFILE_TYPE, 0) & _REDUCED
        # Aperio keeps thumbnail, label and macro in strips.
        candidate = level.tiled and (reduced or vendor == "aperio")
        twice = any(level.size_px == other.size_px for other in levels)
        if candidate and not twice and is_coarser_copy(finest.size_px, level.size_px):
            levels.append(level)
        else:
            associated[_name(directory, vendor, number, associated)] = level.size_px
    levels.sort(key=lambda level: -level.size_px.width)
    return TiffPyramid(vendor, tuple(levels), associated, description, first)


def _vendor(description: str) -> str:
    if description.startswith("Aperio"):
        return "aperio"
    if description.startswith("<") and "openmicroscopy.org/Schemas/OME" in description[:4096]:
        return "ome-tiff"
    return "generic-tiff"


def _refuse_overlapping(first: Directory, description: str) -> None:
    kinds = {
        "Hamamatsu NDPI": _NDPI in first,
        "Ventana BIF": b"<iScan" in first.data(_XMP),
        "Leica SCN": "leica-microsystems.com/scn" in description,
        "Trestle": first.text(_SOFTWARE).startswith("MedScan"),
    }
    for kind, found in kinds.items():
        if found:
            raise NotASlideError(f"{kind} is no plain tiled TIFF; OpenSlide alone reads it")


def _name(directory: Directory, vendor: str, number: int, taken: dict[str, Size]) -> str:
    """Of a picture beside the levels: never text of the file's own, which could name a patient."""
    lines = directory.text(_DESCRIPTION).splitlines()
    word = lines[1].split(maxsplit=1)[:1] if vendor == "aperio" and lines[1:] else []
    name = word[0] if word and word[0] in {"label", "macro"} else ""
    if vendor == "aperio" and number == 1 and not name:
        name = "thumbnail"
    return name if name and name not in taken else f"picture {number}"
