"""Pixels of a slide's levels for many threads at once, each compressed tile decoded once.

Where a slide's tiles can be found in its file, they are decoded directly: about twice as fast as by
OpenSlide, which keeps no thread-safe cache of them. Any other slide is read by its reader.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, local
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.slide.compressed_tiles import CompressedLevel
from pathoai.slide.reader import SlideReader
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.copy_tiles import read_tile
from pathoai.store.level_reader import WHITE, paste

_CACHED_BYTES = 48 << 20
"""Enough for the tiles that neighbouring chunks share; the store's memory bound is 300 MB."""
_Place = tuple[int, int]
"""Row and column of a tile."""


class SlideWindows(Protocol):
    """Any window of one level of a slide, from any thread."""

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels ``(h, w, 3)`` uint8, white outside the slide.

        Args:
            x_px: Left edge in pixels of the level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, likewise.

        Raises:
            DamagedSlideError: The pixels cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Release the slide."""
        ...


class _Closable(Protocol):
    def close(self) -> object:
        """Release it."""
        ...


_T = TypeVar("_T", bound=_Closable)


class _PerThread(Generic[_T]):
    """One of something for each thread that asks, opened at its first use."""

    def __init__(self, open_one: Callable[[], _T]) -> None:
        """Open nothing yet."""
        self._open_one = open_one
        self._thread = local()
        self._opened: list[_T] = []

    def get(self) -> _T:
        """This thread's own."""
        if not hasattr(self._thread, "own"):
            self._thread.own = self._open_one()
            self._opened.append(self._thread.own)
        own: _T = self._thread.own
        return own

    def close(self) -> None:
        """Close those of all threads."""
        for one in self._opened:
            one.close()


class ReaderWindows:
    """Windows by the slide's reader, one for each thread."""

    def __init__(self, open_reader: Callable[[], SlideReader], level: int) -> None:
        """Open nothing yet."""
        self._readers = _PerThread(open_reader)
        self._level = level

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels ``(h, w, 3)`` uint8; see ``SlideWindows.read``."""
        reader = self._readers.get()
        downsample = reader.info.levels[self._level].downsample
        return reader.read_region(
            round(x_px * downsample), round(y_px * downsample), self._level, size_px
        )

    def close(self) -> None:
        """Close the readers of all threads."""
        self._readers.close()


class TileWindows:
    """Windows made of the level's compressed tiles, the latest of which stay decoded."""

    def __init__(
        self, source: CompressedLevel, size_px: Size, *, cached_bytes: int = _CACHED_BYTES
    ) -> None:
        """For a level whose tiles were found and proven, and its size in its own pixels."""
        self._source = source
        self._size = size_px
        self._files = _PerThread(lambda: source.file.open("rb", buffering=0))
        self._tiles: OrderedDict[_Place, Future[NDArray[np.uint8] | None]] = OrderedDict()
        self._most = max(16, cached_bytes // (3 * source.tile_px**2))
        self._lock = Lock()

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels ``(h, w, 3)`` uint8; see ``SlideWindows.read``."""
        side = self._source.tile_px
        if not x_px % side and not y_px % side and size_px == Size(side, side):
            whole = self._whole_tile((y_px // side, x_px // side))
            if whole is not None:
                return whole
        out = np.full((size_px.height, size_px.width, 3), WHITE, np.uint8)
        # Tiles are whole even at the edge of the level: what they hold beyond it is no pixel.
        inside = out[: max(0, self._size.height - y_px), : max(0, self._size.width - x_px)]
        rows, columns = self._source.byte_counts.shape
        for row in range(max(0, y_px // side), min(rows, -(-(y_px + size_px.height) // side))):
            for column in range(
                max(0, x_px // side), min(columns, -(-(x_px + size_px.width) // side))
            ):
                pixels = self._tile((row, column))
                if pixels is not None:
                    paste(pixels, inside, column * side - x_px, row * side - y_px)
        return out

    def _whole_tile(self, place: _Place) -> NDArray[np.uint8] | None:
        """A tile that is all pixels; not kept, for whoever asks for it alone asks once."""
        side, (row, column) = self._source.tile_px, place
        inside = 0 <= row < self._size.height // side and 0 <= column < self._size.width // side
        return self._decoded(place) if inside else None

    def _tile(self, place: _Place) -> NDArray[np.uint8] | None:
        with self._lock:
            found = self._tiles.get(place)
            mine = found is None
            if found is None:
                found = self._tiles[place] = Future()
                while len(self._tiles) > self._most:
                    self._tiles.popitem(last=False)
            else:
                self._tiles.move_to_end(place)
        if mine:
            self._decode_into(found, place)
        return found.result()

    def _decode_into(self, target: Future[NDArray[np.uint8] | None], place: _Place) -> None:
        """Decode a tile for all threads that wait for it; they see its error too."""
        try:
            target.set_result(self._decoded(place))
        except BaseException as error:
            target.set_exception(error)
            raise

    def _decoded(self, place: _Place) -> NDArray[np.uint8] | None:
        source = self._source
        data = read_tile(source, self._files.get(), *place)
        if data is None:
            return None
        try:
            return ChunkCoding(source.codec).decode_rgb(data, source.tile_px)
        except (ValueError, RuntimeError) as error:
            raise DamagedSlideError(
                "pixels cannot be decoded",
                where=f"level {source.level}, row {place[0]}, column {place[1]} of its tiles",
                found=str(error),
            ) from error

    def close(self) -> None:
        """Forget the decoded tiles and close the file."""
        self._tiles.clear()
        self._files.close()


@dataclass(frozen=True)
class ColouredWindows:
    """Windows whose pixels are changed as they are read, e.g. to sRGB.

    Args:
        windows: The pixels.
        change: From pixels ``(h, w, 3)`` uint8 to the same; called from several threads.
    """

    windows: SlideWindows
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels ``(h, w, 3)`` uint8; see ``SlideWindows.read``."""
        return self.change(self.windows.read(x_px, y_px, size_px))

    def close(self) -> None:
        """Release the slide."""
        self.windows.close()


def slide_windows(
    open_reader: Callable[[], SlideReader],
    known: tuple[CompressedLevel, ...],
    level: int,
    size_px: Size,
) -> SlideWindows:
    """Windows of one level: by its compressed tiles where these are known, else by the reader.

    Args:
        open_reader: Opens the slide; called once per thread.
        known: The levels whose tiles are known and proven.
        level: The level that will be read.
        size_px: Its size, in its own pixels.
    """
    for source in known:
        if source.level == level:
            return TileWindows(source, size_px)
    return ReaderWindows(open_reader, level)
