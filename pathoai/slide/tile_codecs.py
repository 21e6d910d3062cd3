"""Decoding compressed tiles into memory of a known size, whatever their own headers say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.slide import jpeg_stream

Pixels = NDArray[np.uint8]


def decode_jpeg(tile: bytes, header: bytes, sizes: tuple[Size, ...], samples: int) -> Pixels:
    """Pixels of a JPEG tile.

    Args:
        tile: As the file holds it.
        header: What it lacks; see `jpeg_stream.completed`.
        sizes: What it may measure; the first that fits counts.
        samples: Values per pixel.

    Returns:
        ``(height, width, samples)`` uint8, without the last axis where there is one sample.

    Raises:
        DamagedSlideError: It is cut short.
        RuntimeError, ValueError: It cannot be decoded, or has another size.
    """
    # libjpeg would fill the missing part with grey.
    if tile.rfind(jpeg_stream.END) < 0:
        raise DamagedSlideError("a tile is cut short")
    whole = jpeg_stream.completed(tile, header)
    return _into_known_size(imagecodecs.jpeg8_decode, whole, sizes, samples)


def decode_webp(tile: bytes, sizes: tuple[Size, ...], samples: int) -> Pixels:
    """Pixels of a WebP tile; as `decode_jpeg`, with 3 or 4 samples.

    Raises:
        RuntimeError, ValueError: It cannot be decoded, or has another size.
    """

    def decode(data: bytes, *, out: Pixels) -> Any:  # noqa: ANN401 - what an untyped library gives
        return imagecodecs.webp_decode(data, hasalpha=samples == 4, out=out)

    return _into_known_size(decode, tile, sizes, samples)


def decode_jpeg_ls(tile: bytes, sizes: tuple[Size, ...], samples: int) -> Pixels:
    """Pixels of a JPEG-LS tile; as `decode_jpeg`.

    Raises:
        RuntimeError, ValueError: It cannot be decoded, or has another size.
    """
    return _into_known_size(imagecodecs.jpegls_decode, tile, sizes, samples)


def decode_jpeg_2000(tile: bytes, sizes: tuple[Size, ...], samples: int) -> Pixels:
    """Pixels of a JPEG 2000 tile; as `decode_jpeg`.

    Raises:
        RuntimeError, ValueError: It cannot be decoded, or has another size or depth.
    """
    # OpenJPEG asks for memory before anyone can see the size, so it is read here.
    if jpeg_stream.codestream_size(tile) not in [(size, samples) for size in sizes]:
        raise ValueError("another size, or number of colours, than the file states")
    return np.asarray(imagecodecs.jpeg2k_decode(tile))


def _into_known_size(
    decode: Callable[..., Any], tile: bytes, sizes: tuple[Size, ...], samples: int
) -> Pixels:
    """Decode into memory of our own: the decoders refuse another size before they ask for any."""
    last = len(sizes) - 1
    for number, size in enumerate(sizes):
        shape = (size.height, size.width) if samples == 1 else (size.height, size.width, samples)
        try:
            return np.asarray(decode(tile, out=np.empty(shape, np.uint8)))
        except ValueError:
            if number == last:
                raise
    raise ValueError("no size is allowed")
