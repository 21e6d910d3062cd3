"""Where the frames of a DICOM image lie in its file (PS3.5 A.4), without reading them."""

from __future__ import annotations

import struct
from array import array
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.slide.dicom_levels import IMPLICIT, DicomPicture, damage_of_dicom

_PIXEL_DATA, _ITEM, _END = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNKNOWN_LENGTH = 0xFFFFFFFF
_MOST_SPARSE_TILES = 10**7
"""Here the file's own size does not bound the grid."""
_REMEDY = "copy the file again; it is damaged or was cut short"
Places = NDArray[np.int64]


def find_frames(picture: DicomPicture) -> tuple[Places, Places]:
    """Offset in the file and number of bytes of each tile, both ``(rows, columns)``; 0: none.

    Raises:
        DamagedSlideError: The file ends before its frames, or their number is not that of tiles.
        NotASlideError: A frame is cut into several fragments.
    """
    rows, columns = picture.grid_shape
    if picture.frames > rows * columns or (not picture.sparse and picture.frames < rows * columns):
        raise DamagedSlideError(
            "the number of frames does not fit the picture",
            found=f"{picture.frames} frames for {rows} × {columns} tiles",
            remedy=_REMEDY,
        )
    if picture.sparse and rows * columns > _MOST_SPARSE_TILES:
        raise DamagedSlideError("the file declares absurdly many tiles", found=rows * columns)
    with picture.path.open("rb", buffering=0) as file:
        size = picture.path.stat().st_size
        if picture.compression == "none":
            offsets, byte_counts = _plain(picture, file, size)
        else:
            offsets, byte_counts = _fragments(picture, file, size)
    if not picture.sparse:
        return offsets.reshape(rows, columns), byte_counts.reshape(rows, columns)
    return _placed(picture, offsets), _placed(picture, byte_counts)


def _plain(picture: DicomPicture, file: BinaryIO, size: int) -> tuple[Places, Places]:
    frame_bytes = picture.tile_px.width * picture.tile_px.height * picture.samples
    start, _ = _pixel_data(picture, file)
    if start + picture.frames * frame_bytes > size:
        raise _cut_short()
    offsets = start + np.arange(picture.frames, dtype=np.int64) * frame_bytes
    return offsets, np.full(picture.frames, frame_bytes, np.int64)


def _fragments(picture: DicomPicture, file: BinaryIO, size: int) -> tuple[Places, Places]:
    """Walk along the items; the offset table, the first of them, is often empty or wrong."""
    start, length = _pixel_data(picture, file)
    if length != _UNKNOWN_LENGTH:
        raise DamagedSlideError("compressed pixels have a fixed length", remedy=_REMEDY)
    offsets, byte_counts = array("q"), array("q")
    at = start + _item_length(file, start) + 8
    while (count := _item_length(file, at)) >= 0:
        if at + 8 + count > size:
            raise _cut_short()
        if len(offsets) == picture.frames:
            raise NotASlideError("its frames are cut into several fragments")
        offsets.append(at + 8)
        byte_counts.append(count)
        at += 8 + count
    if len(offsets) < picture.frames:
        raise _cut_short()
    return np.array(offsets, np.int64), np.array(byte_counts, np.int64)


def _pixel_data(picture: DicomPicture, file: BinaryIO) -> tuple[int, int]:
    """Where the value of the pixel data begins, and its length."""
    file.seek(picture.pixels_at)
    head = file.read(12)
    short = picture.syntax == IMPLICIT
    if len(head) < 12 or not head.startswith(_PIXEL_DATA):
        raise _cut_short()
    length = struct.unpack("<I", head[4:8] if short else head[8:12])[0]
    return picture.pixels_at + (8 if short else 12), int(length)


def _item_length(file: BinaryIO, at: int) -> int:
    """Bytes in the item at an offset; -1 where the items end."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        raise _cut_short()
    if head.startswith(_END):
        return -1
    if not head.startswith(_ITEM):
        raise DamagedSlideError("the frames are damaged", remedy=_REMEDY)
    return int(struct.unpack("<I", head[4:])[0])


def _placed(picture: DicomPicture, values: Places) -> Places:
    placed = np.zeros(picture.grid_shape, np.int64)
    rows, columns = _places(picture)
    placed[rows, columns] = values
    return placed


def _places(picture: DicomPicture) -> tuple[Places, Places]:
    """Row and column of each frame of a sparse image, in tiles."""
    import pydicom

    with damage_of_dicom():
        tag = "PerFrameFunctionalGroupsSequence"
        data = pydicom.dcmread(picture.path, stop_before_pixels=True, specific_tags=[tag])
        positions = [group.PlanePositionSlideSequence[0] for group in data[tag].value]
        y = [int(v.RowPositionInTotalImagePixelMatrix) - 1 for v in positions]
        x = [int(v.ColumnPositionInTotalImagePixelMatrix) - 1 for v in positions]
    rows, top = np.divmod(np.array(y, np.int64), picture.tile_px.height)
    columns, left = np.divmod(np.array(x, np.int64), picture.tile_px.width)
    shape = picture.grid_shape
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    if len(rows) != picture.frames or top.any() or left.any() or not inside.all():
        raise NotASlideError("its frames do not lie side by side on one grid")
    if len(np.unique(rows * shape[1] + columns)) != len(rows):
        raise NotASlideError("several of its frames lie at the same place")
    return rows, columns


def _cut_short() -> DamagedSlideError:
    return DamagedSlideError("the DICOM file ends before its frames", remedy=_REMEDY)
