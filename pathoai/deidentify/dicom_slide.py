"""DICOM whole-slide images: the levels of a series, written anew one file each."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pathoai.deidentify import jpeg2000_markers, jpeg_markers
from pathoai.deidentify.dicom_attributes import IMPLEMENTATION_UID, WRITTEN_WORDS
from pathoai.deidentify.dicom_dataset import DatasetMaker
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.rewritten import NewIdentity, Rewritten, TileHash, drop_names
from pathoai.errors import DamagedSlideError, DeidentificationError
from pathoai.slide.dicom_frames import find_frames
from pathoai.slide.dicom_levels import (
    IMPLICIT,
    DicomPicture,
    damage_of_dicom,
    dicom_pyramid,
)
from pathoai.slide.dicom_reader import DicomParts, check_decodable

_PIXEL_DATA, _ITEM = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0"
_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_UNKNOWN_LENGTH = 0xFFFFFFFF
_LONGEST_NATIVE = 0xFFFFFFFE
Tick = Callable[[], None]


def rewrite(
    source: Path, folder: Path, who: NewIdentity, left: LeftBehind, tick: Tick
) -> Rewritten:
    """Write the levels of a series, and no other picture of it.

    Args:
        source: A file or the folder of a series.
        folder: Empty; one file a level is written into it.
        who: The slide's new identity.
        left: Told of what is not copied.
        tick: Called for each tile.

    Raises:
        NotASlideError: It is no DICOM slide, or a level of it cannot be decoded here.
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: It holds what is not allowed and cannot be left behind.
        MissingDependencyError: pydicom is not installed.
    """
    pyramid = dicom_pyramid(source)
    drop_names(source, left, [level.path for level in pyramid.levels])
    maker = DatasetMaker(who, left)
    series = folder / "series"
    series.mkdir()
    digests = []
    for number, picture in enumerate(pyramid.levels):
        check_decodable(picture)
        path = series / f"{who.code}-{number}.dcm"
        _write_attributes(picture, path, maker, left)
        with path.open("ab") as file:
            digests.append(_write_pixels(picture, file, left, tick))
    for name in pyramid.associated:
        left.drop(f"DICOM picture: {name.split()[0]}")
    return Rewritten(series, "dicom", tuple(digests), WRITTEN_WORDS)


def hashes(path: Path, tick: Tick) -> tuple[str, ...]:
    """SHA-256 of the decoded tiles of every level of a series, finest first.

    Raises:
        NotASlideError: It is no DICOM slide, or a level of it cannot be decoded here.
        DamagedSlideError: It is damaged or cut short.
    """
    return tuple(_hash(picture, tick) for picture in dicom_pyramid(path).levels)


def tiles_in(path: Path) -> int:
    """How many tiles all levels have.

    Raises:
        NotASlideError: It is no DICOM slide.
        DamagedSlideError: It is damaged.
    """
    return sum(v.grid_shape[0] * v.grid_shape[1] for v in dicom_pyramid(path).levels)


def _hash(picture: DicomPicture, tick: Tick) -> str:
    check_decodable(picture)
    parts, digest = DicomParts(picture), TileHash()
    try:
        for row, column in np.ndindex(picture.grid_shape):
            pixels = parts.read(row, column)
            digest.add(None if pixels is None else np.ascontiguousarray(pixels).tobytes())
            tick()
    finally:
        parts.close()
    return digest.hexadecimal


def _write_attributes(
    picture: DicomPicture, path: Path, maker: DatasetMaker, left: LeftBehind
) -> None:
    """All but the pixels; what stands before and behind the attributes is not copied."""
    import pydicom
    from pydicom.dataset import FileMetaDataset

    with damage_of_dicom():
        old = pydicom.dcmread(picture.path, stop_before_pixels=True)
        left.drop("DICOM preamble", bytes(old.preamble or b""))
        for element in old.file_meta:
            if element.keyword not in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
                value = element.value
                left.drop("DICOM file meta", value if isinstance(value, bytes) else str(value))
        new = maker.anew(old)
        new.file_meta = FileMetaDataset()
        new.file_meta.TransferSyntaxUID = picture.syntax
        new.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
        new.file_meta.ImplementationVersionName = "PATHOAI"
        new.file_meta.MediaStorageSOPClassUID = new.SOPClassUID
        new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
        new.preamble = bytes(128)
        new.save_as(path, enforce_file_format=True)


def _write_pixels(picture: DicomPicture, file: BinaryIO, left: LeftBehind, tick: Tick) -> str:
    """The frames in the order of the source; returns the hash of their pixels, tile by tile."""
    native = picture.compression == "none"
    total = picture.frames * picture.tile_px.width * picture.tile_px.height * picture.samples
    padded = total + total % 2
    if native and padded > _LONGEST_NATIVE:
        raise DeidentificationError("a DICOM file holds more than 4 GB of plain pixels")
    length = padded if native else _UNKNOWN_LENGTH
    if picture.syntax == IMPLICIT:
        file.write(_PIXEL_DATA + struct.pack("<I", length))
    else:
        file.write(_PIXEL_DATA + b"OB\0\0" + struct.pack("<I", length))
    if not native:
        file.write(_ITEM + bytes(4))
    for frame in _frames(picture):
        clean = _may_leave(frame, picture, left)
        if not native:
            clean += bytes(len(clean) % 2)
            file.write(_ITEM + struct.pack("<I", len(clean)))
        file.write(clean)
    file.write(bytes(padded - total) if native else _END)
    return _hash(picture, tick)


def _frames(picture: DicomPicture) -> Iterator[bytes]:
    """The bytes of each frame, in the order in which they lie in the file."""
    offsets, counts = find_frames(picture)
    there = np.flatnonzero(counts)
    order = there[np.argsort(offsets.ravel()[there], kind="stable")]
    with picture.path.open("rb") as file:
        for offset, count in zip(
            offsets.ravel()[order].tolist(), counts.ravel()[order].tolist(), strict=True
        ):
            file.seek(offset)
            data = file.read(count)
            if len(data) < count:
                raise DamagedSlideError("the DICOM file ends before its frames")
            yield data


def _may_leave(frame: bytes, picture: DicomPicture, left: LeftBehind) -> bytes:
    if picture.compression == "JPEG 2000":
        return jpeg2000_markers.without_words(frame, left)
    if picture.compression in ("JPEG", "JPEG-LS"):
        lossless = picture.compression == "JPEG-LS"
        return jpeg_markers.without_words(frame, left, lossless=lossless)
    return frame
