"""Decoding the tiles and strips of a TIFF file, in memory that its header cannot inflate."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.geometry import Size
from pathoai.slide.pyramid import LARGEST_TILE_BYTES
from pathoai.slide.tiff_levels import (
    BLACK_IS_ZERO,
    JPEG_2000,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    TiffLevel,
)
from pathoai.slide.tile_codecs import decode_jpeg, decode_jpeg_2000, decode_webp

_MOST_OVERHEAD = 2**16
_WHITE = 255
_UNPACKERS: dict[int, str] = {
    5: "lzw_decode",
    8: "zlib_decode",
    32773: "packbits_decode",
    32946: "zlib_decode",
    50000: "zstd_decode",
}
_RAW, _JPEG, _WEBP = 1, 7, 50001
_DIFFERENCES = 2
Pixels = NDArray[np.uint8]


def check_readable(level: TiffLevel, vendor: str) -> None:
    """Refuse what cannot be decoded here, before any memory is asked for it.

    Raises:
        NotASlideError: The picture is of another kind than slides are, or its parts are too large.
        DamagedSlideError: Its index does not fit its size.
    """
    known = level.compression in {_RAW, _JPEG, _WEBP, *JPEG_2000, *_UNPACKERS}
    samples = {_JPEG: (1, 3), _WEBP: (3, 4)}.get(level.compression, (1, 2, 3, 4))
    grey = level.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    coloured = level.photometric in (RGB, YCBCR)
    size = level.part_px.width * level.part_px.height * level.samples
    reasons = {
        f"its compression is {level.compression_name}": not known,
        "its values are not whole numbers from 0": not level.unsigned,
        f"its values have {level.bits or 'an unknown number of'} bits": level.bits != 8,
        f"its pixels have {level.samples} values": level.samples not in samples
        or (level.samples - bool(level.alpha)) != (3 if coloured else 1),
        "its colours are neither grey nor RGB nor YCbCr": not (grey or coloured),
        "each colour lies apart": level.planar and level.samples > 1,
        "its JPEG 2000 tiles are YCbCr without saying so": level.is_bare_ycbcr(vendor),
        "its YCbCr pixels are not compressed with JPEG": level.photometric == YCBCR
        and level.compression not in (_JPEG, _WEBP),
        f"TIFF predictor {level.predictor} is not for bytes": level.predictor not in (1, 2),
        f"one tile or strip has {size / 2**20:.0f} MiB of pixels": size > LARGEST_TILE_BYTES,
    }
    for reason, is_so in reasons.items():
        if is_so:
            raise NotASlideError(reason, remedy="save it as a tiled RGB TIFF of 8 bits")
    level.check_index()


@dataclass(frozen=True, eq=False)
class PartDecoder:
    """Decodes the parts of one level; checked by `check_readable` before.

    Args:
        level: Whose parts.
    """

    level: TiffLevel

    def decode(self, data: bytes, visible: Size) -> Pixels:
        """Pixels of a tile or strip.

        Args:
            data: As the file holds it.
            visible: What of the part lies within the picture.

        Returns:
            ``(height, width, 3)`` uint8 RGB over white, at least ``visible``.

        Raises:
            DamagedSlideError: It cannot be decoded.
        """
        try:
            return self._on_white(self._decode(data, visible))
        # imagecodecs' errors are RuntimeErrors; a wrong size is a ValueError of it or of NumPy.
        except (RuntimeError, ValueError) as error:
            raise DamagedSlideError("a tile cannot be decoded", found=str(error)) from error

    def most_bytes(self) -> int:
        """More than any honest part of this level has when compressed."""
        part = self.level.part_px
        return 2 * part.width * part.height * self.level.samples + _MOST_OVERHEAD

    def _decode(self, data: bytes, visible: Size) -> Pixels:
        compression, samples = self.level.compression, self.level.samples
        sizes = (self.level.part_px, visible)
        if compression == _JPEG:
            return decode_jpeg(data, self.level.jpeg_header, sizes, samples)
        if compression == _WEBP:
            return decode_webp(data, sizes, samples)
        if compression in JPEG_2000:
            return decode_jpeg_2000(data, sizes, samples)
        return self._unpacked(data, visible)

    def _unpacked(self, data: bytes, visible: Size) -> Pixels:
        part, samples = self.level.part_px, self.level.samples
        if self.level.compression != _RAW:
            unpack = getattr(imagecodecs, _UNPACKERS[self.level.compression])
            data = unpack(data, out=part.width * part.height * samples)
        # The last strip has the rows that are left; tiles are always whole.
        rows = part.height if self.level.tiled else visible.height
        needed = rows * part.width * samples
        if len(data) < needed:
            raise DamagedSlideError("a tile is cut short")
        pixels = np.frombuffer(data, np.uint8, needed).reshape(rows, part.width, samples)
        if self.level.predictor == _DIFFERENCES:
            pixels = np.add.accumulate(pixels, axis=1, dtype=np.uint8)
        return pixels

    def _on_white(self, pixels: Pixels) -> Pixels:
        """RGB, with transparent pixels over white."""
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        colours = self.level.samples - bool(self.level.alpha)
        rgb = pixels[..., :colours]
        if self.level.photometric == WHITE_IS_ZERO:
            rgb = _WHITE - rgb
        if self.level.alpha:
            rgb = _blended(rgb, pixels[..., -1:], premultiplied=self.level.alpha == 1)
        return np.repeat(rgb, 3, axis=2) if colours == 1 else rgb


def _blended(colours: Pixels, alpha: Pixels, *, premultiplied: bool) -> Pixels:
    weight = alpha.astype(np.float32) / _WHITE
    own = colours if premultiplied else colours * weight
    return np.clip(np.rint(own + _WHITE * (1 - weight)), 0, _WHITE).astype(np.uint8)
