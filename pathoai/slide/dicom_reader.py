"""Slides in DICOM files, in one folder or named by one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.dicom_frames import find_frames
from pathoai.slide.dicom_levels import READABLE_COLOURS, DicomPicture, DicomPyramid, dicom_pyramid
from pathoai.slide.pyramid import LARGEST_TILE_BYTES
from pathoai.slide.reader import SlideDescription, SlideInfo
from pathoai.slide.tile_codecs import decode_jpeg, decode_jpeg_2000, decode_jpeg_ls
from pathoai.slide.tiled_reader import TiledReader, finite_number

_WHITE = 255
_GREYS = {"MONOCHROME1", "MONOCHROME2"}


class DicomBackend:
    """Recognises, describes and opens whole-slide images in DICOM files."""

    name = "dicom"
    rank = 20

    def describe(self, path: Path) -> SlideDescription:
        """What the files say of themselves.

        Raises:
            NotASlideError: They are no DICOM whole-slide image, or of a kind that is not read.
            DamagedSlideError: They are one, but damaged.
            MissingDependencyError: pydicom is not installed.
        """
        pyramid = _readable_pyramid(path)
        finest = pyramid.levels[0]
        return SlideDescription(
            vendor="dicom",
            levels=pyramid.sizes,
            stated_mpp=finest.stated_mpp,
            objective_power=finest.objective_power,
            compression=finest.compression,
            associated_images=pyramid.associated,
            reader=self.name,
        )

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> TiledReader:
        """The slide, with its checked scale.

        Raises:
            NotASlideError: It is no DICOM whole-slide image, or of a kind that is not read.
            DamagedSlideError: It is one, but damaged.
            MissingDependencyError: pydicom is not installed.
        """
        pyramid = _readable_pyramid(path)
        finest = pyramid.levels[0]
        info = SlideInfo(
            slide_id=slide_id,
            levels=pyramid.sizes,
            mpp=mpp,
            objective_power=finite_number(finest.objective_power),
            vendor="dicom",
            icc_profile=finest.icc_profile,
        )
        parts = [DicomParts(picture) for picture in pyramid.levels]

        def release() -> None:
            for part in parts:
                part.close()

        return TiledReader(info, parts, release)


def _readable_pyramid(path: Path) -> DicomPyramid:
    pyramid = dicom_pyramid(path)
    for picture in pyramid.levels:
        check_decodable(picture)
    return pyramid


def check_decodable(picture: DicomPicture) -> None:
    """Refuse what cannot be decoded here, before any memory is asked for it.

    Raises:
        NotASlideError: The picture is of another kind than slides are, or its tiles are too large.
    """
    colours = READABLE_COLOURS.get(picture.compression, set())
    samples = 1 if picture.photometric in _GREYS else 3
    size = picture.tile_px.width * picture.tile_px.height * picture.samples
    reasons = {
        f"its compression is {picture.compression}": not colours,
        f"its values have {picture.bits} bits": picture.bits != 8,
        "its colours are of a kind that is not read": picture.photometric not in colours | _GREYS,
        f"its pixels have {picture.samples} values": picture.samples != samples,
        "each colour lies apart": picture.planar
        and picture.samples > 1
        and picture.compression == "none",
        "it has several focal planes or optical paths": picture.planes > 1,
        f"one tile has {size / 2**20:.0f} MiB of pixels": size > LARGEST_TILE_BYTES,
    }
    for reason, is_so in reasons.items():
        if is_so:
            raise NotASlideError(reason)


@dataclass(eq=False)
class DicomParts:
    """The tiles of one level; they are found when the first is read.

    Args:
        picture: The level's file.
    """

    picture: DicomPicture
    _file: BinaryIO | None = field(default=None, init=False, repr=False)

    @property
    def size_px(self) -> Size:
        """Of the level."""
        return self.picture.size_px

    @property
    def part_px(self) -> Size:
        """Of one tile."""
        return self.picture.tile_px

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return find_frames(self.picture)

    def read(self, row: int, column: int) -> NDArray[np.uint8] | None:
        """A tile, ``(height, width, 3)`` uint8; None where a sparse image has none.

        Raises:
            DamagedSlideError: It lies outside the file, or cannot be decoded.
        """
        offsets, byte_counts = self._index
        offset, count = int(offsets[row, column]), int(byte_counts[row, column])
        if count == 0:
            return None
        if count > 2 * LARGEST_TILE_BYTES:
            raise DamagedSlideError("a tile is larger than all of its pixels")
        try:
            if self._file is None:
                self._file = self.picture.path.open("rb")
            self._file.seek(offset)
            data = self._file.read(count)
        except OSError as error:
            raise DamagedSlideError("the file cannot be read", found=error.strerror) from None
        if len(data) < count:
            raise DamagedSlideError("the DICOM file ends before its frames")
        return self._decoded(data)

    def _decoded(self, data: bytes) -> NDArray[np.uint8]:
        try:
            pixels = self._decode(data)
        # imagecodecs' errors are RuntimeErrors; a wrong size is a ValueError of it or of NumPy.
        except (RuntimeError, ValueError) as error:
            raise DamagedSlideError("a tile cannot be decoded", found=str(error)) from error
        if self.picture.photometric == "MONOCHROME1":
            pixels = _WHITE - pixels
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        size, samples = self.picture.tile_px, self.picture.samples
        if self.picture.compression == "JPEG":
            return decode_jpeg(data, self.picture.jpeg_header, (size,), samples)
        if self.picture.compression == "JPEG 2000":
            return decode_jpeg_2000(data, (size,), samples)
        if self.picture.compression == "JPEG-LS":
            return decode_jpeg_ls(data, (size,), samples)
        shape = (size.height, size.width) if samples == 1 else (size.height, size.width, samples)
        return np.frombuffer(data, np.uint8).reshape(shape)

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
