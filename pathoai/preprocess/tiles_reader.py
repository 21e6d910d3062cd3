"""A slide read by its compressed tiles, where these are known: for looking at it from afar.

Twice as fast as by OpenSlide, and in memory that does not grow with the slide.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.preprocess.slide_windows import TileWindows
from pathoai.slide.reader import SlideInfo, SlideReader
from pathoai.store.copy_tiles import TilesToCopy

_CACHED_BYTES = 3 << 20
"""Whoever reads block by block meets a tile again soon, or never."""


class TilesReader:
    """A reader of a slide that decodes the tiles of its known levels itself."""

    def __init__(self, reader: SlideReader, tiles: TilesToCopy) -> None:
        """Read nothing yet.

        Args:
            reader: The slide; all else is read by it.
            tiles: The levels whose tiles are known and proven; may be none.
        """
        self._reader = reader
        self._levels = {
            source.level: TileWindows(
                source, reader.info.levels[source.level].size_px, cached_bytes=_CACHED_BYTES
            )
            for source in tiles.sources
        }

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        return self._reader.info

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels of one level, ``(height, width, 3)`` uint8; see ``SlideReader.read_region``.

        Raises:
            InvalidValueError: The slide has no such level.
            DamagedSlideError: The pixels cannot be decoded; the slide stays usable elsewhere.
        """
        windows = self._levels.get(level)
        if windows is None:
            return self._reader.read_region(x, y, level, size_px)
        downsample = self.info.levels[level].downsample
        return windows.read(round(x / downsample), round(y / downsample), size_px)

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        for windows in self._levels.values():
            windows.close()
        self._reader.close()

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
