"""One tile or strip of a TIFF: its pixels, and its bytes as they may leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.deidentify import jpeg2000_markers, jpeg_markers, webp_chunks
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.slide.tiff_levels import JPEG_2000, RGB, TiffLevel
from pathoai.slide.tiff_parts import PartDecoder, check_readable

_RAW, _LZW, _JPEG, _PACKBITS, _ZSTD, _WEBP = 1, 5, 7, 32773, 50000, 50001
_DEFLATE = {8, 32946}


def check_provable(level: TiffLevel) -> TiffLevel:
    """The level as it is coded, so that its pixels can be compared before and after.

    Raises:
        NotASlideError: It cannot be decoded here.
        DamagedSlideError: Its index does not fit its size.
    """
    if level.compression in JPEG_2000:
        # Components are compared as they are coded, so it does not matter which colours they mean.
        level = replace(level, compression=34712, photometric=RGB)
    check_readable(level, "")
    return level


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a level, read one after the other.

    Args:
        level: As `check_provable` gives it.
    """

    level: TiffLevel

    def __iter__(self) -> Iterator[tuple[bytes, Size]]:
        """Each part's bytes (none where the file has none), and what of it is visible.

        Raises:
            DamagedSlideError: It lies outside the file, or is larger than its pixels.
        """
        offsets, counts = self.level.find_parts()
        most = PartDecoder(self.level).most_bytes()
        part, full, source = self.level.part_px, self.level.size_px, self.level.directory.source
        for row, column in np.ndindex(offsets.shape):
            count = int(counts[row, column])
            if count > most:
                raise DamagedSlideError("a tile is larger than all of its pixels")
            visible = Size(
                min(part.width, full.width - column * part.width),
                min(part.height, full.height - row * part.height),
            )
            yield source.read(int(offsets[row, column]), count) if count else b"", visible

    def decode(self, data: bytes, visible: Size) -> NDArray[np.uint8]:
        """The pixels of a part, as it is coded.

        Raises:
            DamagedSlideError: It cannot be decoded.
        """
        return np.ascontiguousarray(PartDecoder(self.level).decode(data, visible))

    def may_leave(self, data: bytes, visible: Size, left: LeftBehind) -> bytes:
        """The bytes of a part without what is no pixel.

        JPEG, JPEG 2000 and WebP are copied segment by segment. Streams of the lossless codecs are
        packed anew: they could go on behind the last pixel, where no decoder looks.

        Raises:
            DamagedSlideError: It cannot be decoded.
            DeidentificationError: It holds a segment that nobody has allowed.
        """
        compression = self.level.compression
        if compression == _JPEG:
            return jpeg_markers.without_words(data, left)
        if compression in JPEG_2000:
            return jpeg2000_markers.without_words(data, left)
        if compression == _WEBP:
            return webp_chunks.without_words(data, left)
        return self._packed_anew(data, visible, left)

    def _packed_anew(self, data: bytes, visible: Size, left: LeftBehind) -> bytes:
        rows = self.level.part_px.height if self.level.tiled else visible.height
        row_bytes = self.level.part_px.width * self.level.samples
        size, compression = rows * row_bytes, self.level.compression
        try:
            plain = _unpacked(data, compression, size)
        except (RuntimeError, ValueError) as error:
            raise DamagedSlideError("a tile cannot be decoded", found=str(error)) from error
        if len(plain) < size:
            raise DamagedSlideError("a tile is cut short")
        if plain[size:].strip(b"\0"):
            left.drop("bytes after a tile's pixels", plain[size:])
        return _packed(plain[:size], compression, row_bytes)


def _unpacked(data: bytes, compression: int, size: int) -> bytes:
    if compression == _RAW:
        return data
    name = {_LZW: "lzw", _PACKBITS: "packbits", _ZSTD: "zstd"}.get(compression, "zlib")
    return bytes(getattr(imagecodecs, f"{name}_decode")(data, out=size))


def _packed(plain: bytes, compression: int, row_bytes: int) -> bytes:
    if compression == _RAW:
        return plain
    if compression == _PACKBITS:  # each row apart (TIFF 6.0, section 9)
        rows = np.frombuffer(plain, np.uint8).reshape(-1, row_bytes)
        return bytes(imagecodecs.packbits_encode(rows, axis=-1))
    if compression == _LZW:
        return bytes(imagecodecs.lzw_encode(plain))
    return bytes(
        imagecodecs.zstd_encode(plain) if compression == _ZSTD else imagecodecs.zlib_encode(plain)
    )
