"""The compressed tiles that a level of a store becomes in a TIFF.

JPEG chunks are taken over as they are. What was compressed without loss stays so, as Deflate, which
every reader of TIFF knows. Only what fits no TIFF is compressed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.jpeg_frame import JpegFrame
from pathoai.store.level_reader import WHITE, LevelReader

TILE_STEP_PX = 16
"""Sides of tiles must be multiples of it (TIFF 6.0, section 15)."""
_TILE_PX = 256
_JPEG_QUALITY = 90
_DEFLATE_LEVEL = 6
_HORIZONTAL_DIFFERENCES = 2
"""Subsamplings of colour that a TIFF of tiles of 16 px may have."""


@dataclass(frozen=True, eq=False)
class TiffTiles:
    """The tiles of one level, ready to be written.

    Args:
        side_px: Of a tile, in pixels of the level.
        tags: How they are compressed, as arguments of ``tifffile.TiffWriter.write``.
        white: A tile without tissue.
        row: The tiles of a row, from left to right; empty where there is nothing but white.
        copied: True where they are the chunks of the store, byte for byte.
    """

    side_px: int
    tags: dict[str, Any]
    white: bytes
    row: Callable[[int], Iterator[bytes]]
    copied: bool = False


def tiff_tiles(store_path: Path, header: StoreHeader, level: int, pool: Executor) -> TiffTiles:
    """The tiles of one level of a finished store.

    Args:
        store_path: The store.
        header: Its header.
        level: Index of the level.
        pool: Threads to encode in.

    Raises:
        StoreError: A chunk cannot be read; also later, while rows are asked for.
    """
    layout, folder = header.layout[level], store_path / str(level)
    if layout.coding.compression == "jpeg" and layout.chunk_px % TILE_STEP_PX == 0:
        chunks = CompressedChunks(folder, layout, header.slide_id)
        found = _copied(chunks)
        if found is not None:
            return found
    reader = LevelReader(folder, layout, header.slide_id)
    if _is_lossless(header, layout):
        return _deflated(reader, pool)
    return _encoded_anew(reader, pool)


def _is_lossless(header: StoreHeader, layout: LevelLayout) -> bool:
    """False for JPEG, and for JPEG 2000 by a scanner: Deflate would make it ten times larger."""
    from_scanner = layout.factor in {level.factor for level in header.copied}
    return layout.coding.compression != "jpeg" and not from_scanner


def _copied(chunks: CompressedChunks) -> TiffTiles | None:
    """JPEG chunks as they are; None where a TIFF could not hold them."""
    side = chunks.layout.chunk_px
    first = next((_frame(chunks, chunk) for chunk in chunks.present()), None)
    if first is None:
        first = JpegFrame(side, side, ycbcr=True, subsampling=(1, 1))
    subsampling = first.subsampling_name
    if subsampling is None or not (first.ycbcr or subsampling == "444"):
        return None

    def row(number: int) -> Iterator[bytes]:
        for column in range(chunks.columns):
            data = chunks.read((number, column))
            if data is not None and _frame(chunks, (number, column), data) != first:
                raise _unlike(chunks, (number, column))
            yield data or b""

    return TiffTiles(side, _jpeg_tags(first), _white_jpeg(first, subsampling), row, copied=True)


def _frame(
    chunks: CompressedChunks, chunk: tuple[int, int], data: bytes | None = None
) -> JpegFrame:
    try:
        return JpegFrame.of(data or chunks.read(chunk) or b"")
    except InvalidValueError as error:
        raise _unlike(chunks, chunk) from error


def _unlike(chunks: CompressedChunks, chunk: tuple[int, int]) -> StoreError:
    return StoreError(
        "a chunk is not such a JPEG as the others of its level",
        where=f"{chunks.where}, row {chunk[0]}, column {chunk[1]}",
        remedy="`pathoai store verify --decode` lists all damage; make the store again",
    )


def _jpeg_tags(frame: JpegFrame) -> dict[str, Any]:
    # The writer takes the colour space of JPEG tiles from what it would tell their encoder.
    space = {"outcolorspace": "ycbcr" if frame.ycbcr else "rgb"}
    return {
        "compression": "jpeg",
        "compressionargs": space,
        "photometric": "rgb",
        "subsampling": frame.subsampling,
    }


def _white_jpeg(frame: JpegFrame, subsampling: str) -> bytes:
    white = np.full((frame.height, frame.width, 3), WHITE, np.uint8)
    space = "YCBCR" if frame.ycbcr else "RGB"
    # At the highest quality, for white to be exactly white.
    return bytes(
        imagecodecs.jpeg8_encode(white, level=100, outcolorspace=space, subsampling=subsampling)
    )


def _encoded_anew(reader: LevelReader, pool: Executor) -> TiffTiles:
    coding, side = ChunkCoding("jpeg", _JPEG_QUALITY), _side(reader)
    frame = JpegFrame(side, side, ycbcr=True, subsampling=(1, 1))

    def encode(pixels: NDArray[np.uint8]) -> bytes:
        return coding.encode(pixels.transpose(2, 0, 1))

    row = _rows(reader, side, encode, pool)
    return TiffTiles(side, _jpeg_tags(frame), _white_jpeg(frame, "444"), row)


def _deflated(reader: LevelReader, pool: Executor) -> TiffTiles:
    side = _side(reader)
    tags = {
        "compression": "adobe_deflate",
        "predictor": _HORIZONTAL_DIFFERENCES,
        "photometric": "rgb",
    }
    white = _deflate(np.full((side, side, 3), WHITE, np.uint8))
    return TiffTiles(side, tags, white, _rows(reader, side, _deflate, pool))


def _deflate(pixels: NDArray[np.uint8]) -> bytes:
    # Differences between neighbours compress better than values (TIFF 6.0, section 14).
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    return bytes(imagecodecs.zlib_encode(differences.tobytes(), level=_DEFLATE_LEVEL))


def _side(reader: LevelReader) -> int:
    """The chunks' own side where TIFF allows it: each chunk is then decoded once."""
    side = reader.layout.chunk_px
    return side if side % TILE_STEP_PX == 0 else _TILE_PX


def _rows(
    reader: LevelReader, side: int, encode: Callable[[NDArray[np.uint8]], bytes], pool: Executor
) -> Callable[[int], Iterator[bytes]]:
    """Rows of tiles made of pixels, each row in threads."""
    columns = -(-reader.layout.size_px.width // side)

    def tile(number: int, column: int) -> bytes:
        top, left = number * side, column * side
        pixels = reader.block(slice(top, top + side), slice(left, left + side))
        if (pixels == WHITE).all():
            return b""
        missing = [(0, side - n) for n in pixels.shape[:2]]
        # Repeating the edge compresses better than a step to white, and JPEG does not ring.
        return encode(np.pad(pixels, [*missing, (0, 0)], mode="edge"))

    return lambda number: pool.map(lambda column: tile(number, column), range(columns))
