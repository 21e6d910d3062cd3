"""The compressed tiles of a slide, found so that they can be copied without being decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import NotCopyableError
from pathoai.geometry import Size
from pathoai.slide.dicom_frames import find_frames
from pathoai.slide.dicom_levels import READABLE_COLOURS, DicomPicture, dicom_pyramid
from pathoai.slide.jpeg_stream import completed
from pathoai.slide.reader import SlideInfo
from pathoai.slide.tiff_directory import TiffSource
from pathoai.slide.tiff_levels import RGB, YCBCR, TiffLevel, TiffPyramid, tiff_pyramid

Codec = Literal["jpeg", "jpeg2k"]

_CODECS: dict[int, Codec] = {7: "jpeg", 33003: "jpeg2k", 33005: "jpeg2k", 34712: "jpeg2k"}
_DICOM_CODECS: dict[str, Codec] = {"JPEG": "jpeg", "JPEG 2000": "jpeg2k"}
_UNCOMPRESSED = 1
_PLAIN_TIFFS = {"aperio", "generic-tiff", "ome-tiff", "philips"}
"""Vendors whose tiles lie side by side; those of others overlap or hide what OpenSlide mends."""


@dataclass(frozen=True, eq=False)
class CompressedLevel:
    """One level's compressed tiles, found but not read.

    Args:
        level: Index of the level in the reader's ``SlideInfo.levels``.
        codec: What the tiles are.
        tile_px: Side of a tile, in pixels of the level; tiles are square.
        offsets: ``(rows, columns)`` int64: where each tile starts in the file, in bytes.
        byte_counts: ``(rows, columns)`` int64: 0 where the file has no such tile (white).
        header: What goes between the start of a JPEG and the rest of every tile: the shared
            tables, and Adobe's APP14 segment that states RGB or YCbCr. Empty for JPEG 2000.
        file: What the offsets refer to (DICOM has one file a level).
    """

    level: int
    codec: Codec
    tile_px: int
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    header: bytes = field(repr=False)
    file: Path = field(repr=False)

    def standalone(self, tile: bytes) -> bytes:
        """The tile as an ordinary JPEG, or JPEG 2000 codestream.

        A colour space that the tile states itself comes after ours, so it is the one that counts.
        """
        return completed(tile, self.header)


def compressed_levels(path: Path, info: SlideInfo) -> tuple[CompressedLevel, ...]:
    """The levels of a slide whose tiles can be copied; the others are absent.

    Args:
        path: The slide.
        info: The same slide's, as its reader gives it.

    Raises:
        NotCopyableError: The tiles of level 0 cannot be copied; the error says why.
        DamagedSlideError: The index of the tiles is damaged.
        NotASlideError: The file cannot be read.
        MissingDependencyError: It is DICOM, and pydicom is not installed.
    """
    if info.vendor == "dicom":
        return _of_dicom(path, info)
    if info.vendor not in _PLAIN_TIFFS:
        raise NotCopyableError(
            "tiles of this vendor's slides are not copied",
            found=info.vendor,
            allowed="plain TIFF and DICOM",
        )
    with TiffSource(path) as source:
        return _of_tiff(path, tiff_pyramid(source.directories()), info)


def _of_tiff(path: Path, pyramid: TiffPyramid, info: SlideInfo) -> tuple[CompressedLevel, ...]:
    reason = _not_copyable(_with_size(pyramid.levels, info.size), pyramid.vendor)
    if reason is not None:
        raise reason
    found = []
    for index, wanted in enumerate(info.levels):
        level = _with_size(pyramid.levels, wanted.size_px)
        if level is None or _not_copyable(level, pyramid.vendor) is not None:
            continue
        offsets, byte_counts = level.find_parts()
        # OpenSlide fills what is missing from a coarser level of Aperio's by the finer one.
        if pyramid.vendor == "aperio" and index > 0 and not byte_counts.all():
            continue
        codec = _CODECS[level.compression]
        header = level.jpeg_header if codec == "jpeg" else b""
        found.append(
            CompressedLevel(index, codec, level.part_px.width, offsets, byte_counts, header, path)
        )
    return tuple(found)


def _with_size(levels: Sequence[TiffLevel], size: Size) -> TiffLevel | None:
    return next((level for level in levels if level.size_px == size), None)


def _not_copyable(level: TiffLevel | None, vendor: str) -> NotCopyableError | None:
    """Why the tiles of a level cannot be copied; None where they can."""
    if level is None:
        return NotCopyableError("the reader's levels are not those of the TIFF file")
    part, codec = level.part_px, _CODECS.get(level.compression)
    reasons = {
        "the picture lies in strips, not in tiles": not level.tiled,
        "tiles are not compressed": level.compression == _UNCOMPRESSED,
        f"tiles are compressed with {level.compression_name}": codec is None,
        f"tiles of {part.width} × {part.height} px are not square": part.width != part.height,
        "each colour lies apart": level.planar,
        f"pixels have {level.samples} values": level.samples != 3,
        f"values have {level.bits or 'an unknown number of'} bits": level.bits != 8,
        "values are not whole numbers from 0": not level.unsigned,
        "colours are neither RGB nor YCbCr": level.photometric not in (RGB, YCBCR),
        "JPEG 2000 tiles are YCbCr without saying so themselves": level.is_bare_ycbcr(vendor),
    }
    return next((NotCopyableError(reason) for reason, is_so in reasons.items() if is_so), None)


def _of_dicom(path: Path, info: SlideInfo) -> tuple[CompressedLevel, ...]:
    pictures = {picture.size_px: picture for picture in dicom_pyramid(path).levels}
    reason = _not_copyable_dicom(pictures.get(info.size))
    if reason is not None:
        raise reason
    found = []
    for index, wanted in enumerate(info.levels):
        picture = pictures.get(wanted.size_px)
        if picture is None or _not_copyable_dicom(picture) is not None:
            continue
        codec = _DICOM_CODECS[picture.compression]
        header = picture.jpeg_header if codec == "jpeg" else b""
        tiles = find_frames(picture)
        found.append(
            CompressedLevel(index, codec, picture.tile_px.width, *tiles, header, picture.path)
        )
    return tuple(found)


def _not_copyable_dicom(picture: DicomPicture | None) -> NotCopyableError | None:
    """Why the tiles of a level cannot be copied; None where they can."""
    if picture is None:
        return NotCopyableError("the reader's levels are not those of the DICOM files")
    tile, copied = picture.tile_px, picture.compression in _DICOM_CODECS
    reasons = {
        "tiles are not compressed": picture.compression == "none",
        f"tiles are compressed with {picture.compression}": not copied,
        f"tiles of {tile.width} × {tile.height} px are not square": tile.width != tile.height,
        f"pixels have {picture.samples} values": picture.samples != 3,
        f"values have {picture.bits} bits": picture.bits != 8,
        "there are several focal planes or optical paths": picture.planes > 1,
        "colours are of a kind that no decoder knows": copied
        and picture.photometric not in READABLE_COLOURS[picture.compression],
    }
    return next((NotCopyableError(reason) for reason, is_so in reasons.items() if is_so), None)
