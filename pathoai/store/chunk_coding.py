"""How the chunks of an array are compressed: what zarr is told, and the same done directly.

Chunks are encoded and decoded by direct calls of the codecs, which release the GIL, so that threads
use all cores; zarr-python reads the same bytes by the metadata it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, TransposeCodec

from pathoai.errors import InvalidValueError
from pathoai.store.codecs import Jpeg2kCodec, JpegCodec, JpegXlCodec
from pathoai.store.jpeg_rows import first_rows

LOSSLESS = "blosc-zstd"
_BLOSC_LEVEL, _MAP_LEVEL = 3, 1
_JPEG_QUALITY = 90
_PICTURES: dict[str, type[JpegCodec] | type[Jpeg2kCodec] | type[JpegXlCodec]] = {
    "jpeg": JpegCodec,
    "jpeg2k": Jpeg2kCodec,
    "jpegxl": JpegXlCodec,
}
COMPRESSIONS = (LOSSLESS, *_PICTURES)
WHOLE_COLOURS = "444"
_SUBSAMPLINGS = (WHOLE_COLOURS, "422", "420")


@dataclass(frozen=True, slots=True)
class ChunkCoding:
    """The compression of one array's chunks, ``(…, height, width)``.

    Args:
        compression: ``blosc-zstd`` for any array; ``jpeg``, ``jpeg2k`` or ``jpegxl`` for RGB, whose
            chunks are then ordinary pictures.
        quality: Of JPEG that is encoded here, 1 to 100.
        subsampling: Of its colours: ``444`` keeps them whole, ``422`` halves them across, ``420``
            both ways.
        effort: Level of what is lossless.
    """

    compression: str = LOSSLESS
    quality: int = _JPEG_QUALITY
    subsampling: str = WHOLE_COLOURS
    effort: int = _BLOSC_LEVEL

    def __post_init__(self) -> None:
        """Refuse unknown compressions and qualities."""
        if self.compression not in COMPRESSIONS:
            raise InvalidValueError(
                "unknown compression",
                found=repr(self.compression),
                allowed=", ".join(COMPRESSIONS),
            )
        if not 1 <= self.quality <= 100:
            raise InvalidValueError("JPEG quality", found=self.quality, allowed="1 to 100")
        if self.subsampling not in _SUBSAMPLINGS:
            raise InvalidValueError(
                "unknown subsampling of colours",
                found=repr(self.subsampling),
                allowed=", ".join(_SUBSAMPLINGS),
            )

    @property
    def _picture(self) -> JpegCodec | Jpeg2kCodec | JpegXlCodec:
        if self.compression == "jpeg":
            return JpegCodec(level=self.quality, subsampling=self.subsampling)
        return _PICTURES[self.compression]()

    def zarr_arguments(self) -> dict[str, Any]:
        """What ``zarr.Group.create_array`` is told."""
        if self.compression == LOSSLESS:
            # Bit shuffling gains 11 % on tissue over plain zstd; every OME-Zarr reader has blosc.
            blosc = BloscCodec(cname="zstd", clevel=self.effort, shuffle="bitshuffle")
            return {"compressors": blosc}
        return {
            "filters": TransposeCodec(order=(1, 2, 0)),
            "serializer": self._picture,
            "compressors": None,
        }

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """The bytes of a chunk ``(…, height, width)``: uint8, and wider integers if lossless."""
        if self.compression != LOSSLESS:
            return self.encode_rgb(chunk.transpose(1, 2, 0))
        encoded = imagecodecs.blosc_encode(
            np.ascontiguousarray(chunk, chunk.dtype.newbyteorder("<")).tobytes(),
            level=self.effort,
            compressor="zstd",
            shuffle="bitshuffle",
            typesize=chunk.dtype.itemsize,
            numthreads=1,
        )
        return bytes(encoded)

    def encode_rgb(self, pixels: NDArray[np.uint8]) -> bytes:
        """The bytes of an image's chunk, given as ``(height, width, 3)`` uint8."""
        if self.compression == LOSSLESS:
            return self.encode(pixels.transpose(2, 0, 1))
        return self._picture.encode_pixels(np.ascontiguousarray(pixels))

    def decode_rgb(self, data: bytes, chunk_px: int) -> NDArray[np.uint8]:
        """The pixels ``(chunk_px, chunk_px, 3)`` uint8 of a chunk of an image.

        Raises:
            ValueError: The bytes do not hold such a chunk.
            RuntimeError: The codec refuses them.
        """
        if self.compression != LOSSLESS:
            return self._picture.decode_pixels(data)
        return self.decode(data, (3, chunk_px, chunk_px)).transpose(1, 2, 0)

    def decode_top(self, data: bytes, out: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
        """The first rows of a chunk of an image, and perhaps more of them.

        Args:
            data: The bytes of the chunk.
            out: ``(chunk_px, chunk_px, 3)`` uint8, contiguous: where they may be decoded to.
            rows: How many are needed.

        Returns:
            ``(rows or more, chunk_px, 3)`` uint8, in ``out`` or not.

        Raises:
            ValueError: The bytes do not hold such a chunk.
            RuntimeError: The codec refuses them.
        """
        if self.compression != "jpeg":
            return self.decode_rgb(data, len(out))
        if rows < len(out):
            data, height = first_rows(data, rows)
            out = out[:height]
        return np.asarray(imagecodecs.jpeg8_decode(data, out=out))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The values of a lossless chunk.

        Raises:
            ValueError: The bytes do not hold such a chunk.
            RuntimeError: The codec refuses them.
        """
        flat = np.frombuffer(imagecodecs.blosc_decode(data, numthreads=1), np.uint8)
        return flat.reshape(shape)


MAP_CODING = ChunkCoding(effort=_MAP_LEVEL)
"""Of labels: level 3 makes smooth maps smaller by a hundredth in three times the time."""
