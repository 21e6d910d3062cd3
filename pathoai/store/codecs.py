"""Zarr codecs whose chunks are ordinary image files, so that a slide's own tiles can be chunks.

Registered by entry point: plain ``zarr.open`` reads such arrays wherever pathoai is installed.
Names and configuration are those of the package imagecodecs-zarr, which reads them without pathoai.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import JSON


@dataclass(frozen=True)
class _PictureCodec(ArrayBytesCodec):
    """A chunk ``(height, width, 3)`` uint8 is one picture; subclasses say of which kind."""

    is_fixed_size = False
    name: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """As zarr reads it from the metadata of an array."""
        configuration = cast("dict[str, Any]", data.get("configuration") or {})
        return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """As zarr writes it into the metadata of an array."""
        configuration = {k: v for k, v in vars(self).items() if v is not None}
        named: dict[str, JSON] = {"name": self.name}
        return named | {"configuration": configuration} if configuration else named

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> bytes:
        """A picture of pixels ``(height, width, 3)`` uint8."""
        raise NotImplementedError

    def decode_pixels(self, data: bytes) -> NDArray[np.uint8]:
        """The pixels ``(height, width, 3)`` uint8 of a picture."""
        raise NotImplementedError

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Unknown before encoding."""
        raise NotImplementedError

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        pixels = self.decode_pixels(chunk_bytes.to_bytes())
        buffers = chunk_spec.prototype.nd_buffer
        return buffers.from_numpy_array(pixels.reshape(chunk_spec.shape))

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        pixels = np.ascontiguousarray(chunk_array.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(self.encode_pixels(pixels))

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)


@dataclass(frozen=True)
class JpegCodec(_PictureCodec):
    """JPEG (ITU-T T.81) by libjpeg-turbo, as OpenSlide decodes it.

    Args:
        level: Quality of what is encoded, 1 to 100.
        subsampling: Of the colours of what is encoded, e.g. ``444``.
    """

    name = "imagecodecs_jpeg"
    level: int | None = None
    subsampling: str | None = None

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> bytes:
        """A JPEG of pixels ``(height, width, 3)`` uint8."""
        return bytes(
            imagecodecs.jpeg8_encode(pixels, level=self.level, subsampling=self.subsampling)
        )

    def decode_pixels(self, data: bytes) -> NDArray[np.uint8]:
        """The pixels ``(height, width, 3)`` uint8 of a JPEG."""
        return np.asarray(imagecodecs.jpeg8_decode(data))


@dataclass(frozen=True)
class Jpeg2kCodec(_PictureCodec):
    """JPEG 2000 (ITU-T T.800) by OpenJPEG; lossless where encoded here."""

    name = "imagecodecs_jpeg2k"

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> bytes:
        """A lossless codestream of pixels ``(height, width, 3)`` uint8."""
        return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"))

    def decode_pixels(self, data: bytes) -> NDArray[np.uint8]:
        """The pixels ``(height, width, 3)`` uint8 of a codestream."""
        return np.asarray(imagecodecs.jpeg2k_decode(data))


@dataclass(frozen=True)
class JpegXlCodec(_PictureCodec):
    """JPEG XL (ISO/IEC 18181), lossless.

    Args:
        effort: From 1, fast, to 9, small.
        lossless: Stated, because other readers of these names take lossy for granted.
    """

    name = "imagecodecs_jpegxl"
    effort: int | None = None
    lossless: bool | None = True

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> bytes:
        """A picture of pixels ``(height, width, 3)`` uint8."""
        return bytes(imagecodecs.jpegxl_encode(pixels, effort=self.effort, lossless=self.lossless))

    def decode_pixels(self, data: bytes) -> NDArray[np.uint8]:
        """The pixels ``(height, width, 3)`` uint8 of a picture."""
        return np.asarray(imagecodecs.jpegxl_decode(data))
