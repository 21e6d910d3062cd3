"""A slide put together from tiles or strips that are read one by one: for TIFF and DICOM."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, InvalidValueError
from pathoai.geometry import Size
from pathoai.slide.reader import SlideInfo, check_level

_WHITE = 255
_CACHE_BYTES = 64 * 2**20
"""Neighbouring regions share parts, and a strip spans the slide."""
Pixels = NDArray[np.uint8]


class PartReader(Protocol):
    """Reads the parts of one level: tiles, or strips as wide as the level."""

    @property
    def size_px(self) -> Size:
        """Of the level."""
        ...

    @property
    def part_px(self) -> Size:
        """Of one part."""
        ...

    def read(self, row: int, column: int) -> Pixels | None:
        """A part, ``(height, width, 3)`` uint8, at least what of it lies within the level.

        Returns:
            None where the slide has none.

        Raises:
            DamagedSlideError: It cannot be decoded.
        """
        ...


class TiledReader:
    """A slide whose levels are read part by part; parts outside a region are not touched.

    Args:
        info: What is known of the slide.
        parts: A reader of each level of it.
        release: What to call when the slide is closed.
    """

    def __init__(
        self, info: SlideInfo, parts: Sequence[PartReader], release: Callable[[], None]
    ) -> None:
        """Keep what is needed to read."""
        self._info = info
        self._parts = parts
        self._release = release
        self._closed = False
        self._cache: OrderedDict[tuple[int, int, int], Pixels | None] = OrderedDict()
        self._cached_bytes = 0

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        return self._info

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> Pixels:
        """Pixels of one level, ``(height, width, 3)`` uint8; see ``SlideReader.read_region``.

        Raises:
            InvalidValueError: The slide has no such level, or is closed.
            DamagedSlideError: The pixels cannot be decoded; the slide stays usable elsewhere.
        """
        check_level(level, len(self._info.levels))
        if self._closed:
            raise InvalidValueError("the slide is closed")
        region = np.full((size_px.height, size_px.width, 3), _WHITE, np.uint8)
        downsample = self._info.levels[level].downsample
        left, top = round(x / downsample), round(y / downsample)
        full, part = self._parts[level].size_px, self._parts[level].part_px
        right, bottom = (
            min(left + size_px.width, full.width),
            min(top + size_px.height, full.height),
        )
        for row in range(max(top, 0) // part.height, -(-bottom // part.height)):
            for column in range(max(left, 0) // part.width, -(-right // part.width)):
                pixels = self._part(level, row, column)
                if pixels is not None:
                    y_px, x_px = row * part.height, column * part.width
                    visible = pixels[: full.height - y_px, : full.width - x_px]
                    _paste(visible, region, x_px - left, y_px - top)
        return region

    def _part(self, level: int, row: int, column: int) -> Pixels | None:
        key = (level, row, column)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        try:
            pixels = self._parts[level].read(row, column)
        except DamagedSlideError as error:
            raise self._at(error, level, row, column) from error
        self._cache[key] = pixels
        self._cached_bytes += 0 if pixels is None else pixels.nbytes
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            oldest = self._cache.popitem(last=False)[1]
            self._cached_bytes -= 0 if oldest is None else oldest.nbytes
        return pixels

    def _at(self, error: DamagedSlideError, level: int, row: int, column: int) -> DamagedSlideError:
        part, downsample = self._parts[level].part_px, self._info.levels[level].downsample
        x, y = round(column * part.width * downsample), round(row * part.height * downsample)
        return DamagedSlideError(
            "pixels cannot be decoded",
            where=f"{self._info.slide_id or 'slide'} at level-0 x={x}, y={y}, level {level}",
            found=error.what if error.found is None else f"{error.what} ({error.found})",
            remedy="scan or copy the slide again; the file is damaged or was cut short",
        )

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        self._closed = True
        self._cache.clear()
        self._release()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def finite_number(text: str | None) -> float | None:
    """The number that a text states; None where it states none."""
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _paste(pixels: Pixels, region: Pixels, x_px: int, y_px: int) -> None:
    """Copy what of a part lies within the region; its corner is at (x, y) of the region."""
    height, width = region.shape[:2]
    source = pixels[max(-y_px, 0) : height - y_px, max(-x_px, 0) : width - x_px]
    top, left = max(y_px, 0), max(x_px, 0)
    region[top : top + source.shape[0], left : left + source.shape[1]] = source
