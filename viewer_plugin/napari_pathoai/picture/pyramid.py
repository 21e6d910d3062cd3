"""What napari reads: one array-like per level, chunk by chunk, without dask.

Frames: an index is a pixel of the level. Level ``k`` of a store spans exactly ``factor`` pixels of
its finest level, so shapes are rounded up to whole pixels of the coarsest level: napari derives a
level's scale from the ratio of shapes, and a rounded ratio would shift the levels against each
other by up to one coarse pixel at the far edge.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_pathoai.picture.chunk_cache import ChunkCache
from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Size
from pathoai.slide.reader import SlideReader
from pathoai.slide.resampled import read_grid_block
from pathoai.store.level_reader import WHITE
from pathoai.store.shards import CHUNK_PX
from pathoai.store.slide_store import SlideStore

LARGEST_READ_BYTES = 1 << 30
_COARSEST_SIDE_PX = 2048

Span = tuple[int, int]
"""First and past-the-last pixel along one axis."""


class LazyLevel(ABC):
    """One level of a pyramid, read on demand; the subclass says where from.

    Args:
        stored: Height and width of what lies in the source, in pixels of the level.
        shape: Shape shown to napari, at least as large; beyond ``stored`` it reads ``fill``.
        fill: Value where the source has no pixel.
        cache: Where decoded chunks are kept.
        chunk_px: Side of what is read and kept at once, best that of the source's chunks.
    """

    def __init__(
        self,
        stored: tuple[int, int],
        shape: tuple[int, ...],
        fill: int,
        cache: ChunkCache,
        *,
        chunk_px: int = CHUNK_PX,
    ) -> None:
        """Keep the shapes; nothing is read."""
        self._chunk_px = chunk_px
        self._stored = stored
        self._fill = fill
        self._cache = cache
        self._owner = cache.new_owner()
        self._covered: list[tuple[Span, Span]] = []
        self.shape = shape
        self.dtype = np.dtype(np.uint8)
        self.chunks = (chunk_px, chunk_px, *shape[2:])

    @property
    def ndim(self) -> int:
        """2 for a label, 3 for an RGB image."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def cover(self, places: Sequence[tuple[Span, Span]]) -> bool:
        """Show nothing at some places, as if the source had no pixel there.

        Args:
            places: Rows and columns of rectangles, which may reach beyond the level.

        Returns:
            Whether that is another picture than before.
        """
        before, self._covered = self._covered, list(places)
        return before != self._covered

    @abstractmethod
    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        """Pixels of the source, inside what it stores."""

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - numpy's own indices
        """Pixels of a window, by integers, slices and ellipsis.

        Raises:
            InvalidValueError: The window holds more than 1 GiB.
        """
        rows, columns, *rest = _full_index(index, self.ndim)
        row_span, row_key = _span(rows, self.shape[0])
        column_span, column_key = _span(columns, self.shape[1])
        return self._window(row_span, column_span)[(row_key, column_key, *rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole level; for coarse levels and for what numpy asks.

        Raises:
            InvalidValueError: The level holds more than 1 GiB.
        """
        if copy is False:
            raise ValueError("a lazy level is always read anew")
        return np.asarray(self[:], dtype=dtype)

    def _window(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        shape = (rows[1] - rows[0], columns[1] - columns[0], *self.shape[2:])
        if np.prod(shape, dtype=np.int64) > LARGEST_READ_BYTES:
            raise InvalidValueError(
                "too many pixels at once",
                found=f"{shape[1]} × {shape[0]} pixels",
                allowed="1 GiB",
                remedy="zoom in, or read a coarser level",
            )
        out = np.full(shape, self._fill, np.uint8)
        inner_rows = (rows[0], min(rows[1], self._stored[0]))
        inner_columns = (columns[0], min(columns[1], self._stored[1]))
        if inner_rows[0] >= inner_rows[1] or inner_columns[0] >= inner_columns[1]:
            # All of it is padding: nothing of the window is stored.
            return out
        for row, column, chunk in self._chunks_of(inner_rows, inner_columns):
            top, left = row * self._chunk_px, column * self._chunk_px
            y, y_end = max(top, rows[0]), min(top + chunk.shape[0], inner_rows[1])
            x, x_end = max(left, columns[0]), min(left + chunk.shape[1], inner_columns[1])
            out[y - rows[0] : y_end - rows[0], x - columns[0] : x_end - columns[0]] = chunk[
                y - top : y_end - top, x - left : x_end - left
            ]
        for covered_rows, covered_columns in self._covered:
            y, y_end = (max(0, at - rows[0]) for at in covered_rows)
            x, x_end = (max(0, at - columns[0]) for at in covered_columns)
            out[y:y_end, x:x_end] = self._fill
        return out

    def _chunks_of(self, rows: Span, columns: Span) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        missing: list[tuple[int, int]] = []
        for row in self._chunk_range(rows):
            for column in self._chunk_range(columns):
                chunk = self._cache.get((self._owner, row, column))
                if chunk is None:
                    missing.append((row, column))
                else:
                    yield row, column, chunk
        for block_rows, block_columns in _rectangles(missing):
            yield from self._read_block(block_rows, block_columns)

    def _read_block(
        self, rows: Span, columns: Span
    ) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        """Chunks of a rectangle of chunks, in one read: zarr decodes them side by side."""
        side = self._chunk_px
        top, left = rows[0] * side, columns[0] * side
        bottom = min(rows[1] * side, self._stored[0])
        right = min(columns[1] * side, self._stored[1])
        pixels = self._fetch((top, bottom), (left, right))
        for row in range(*rows):
            for column in range(*columns):
                y, x = row * side - top, column * side - left
                # A copy: a view would keep the whole block in memory.
                chunk = pixels[y : y + side, x : x + side].copy()
                self._cache.put((self._owner, row, column), chunk)
                yield row, column, chunk

    def _chunk_range(self, pixels: Span) -> range:
        return range(pixels[0] // self._chunk_px, -(-pixels[1] // self._chunk_px))


class StoreLevel(LazyLevel):
    """A level of a store's image, ``(y, x, 3)``."""

    def __init__(
        self, store: SlideStore, level: int, shape: tuple[int, int], cache: ChunkCache
    ) -> None:
        """Show the level in a shape at least as large."""
        layout = store.header.layout[level]
        stored = (layout.size_px.height, layout.size_px.width)
        super().__init__(stored, (*shape, 3), WHITE, cache, chunk_px=layout.chunk_px)
        self._store = store
        self._level = level

    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        size = Size(columns[1] - columns[0], rows[1] - rows[0])
        return self._store.read(self._level, columns[0], rows[0], size)


class MemoryLevel(LazyLevel):
    """A picture that lies in memory, ``(y, x)`` or with channels; what is covered is 0."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Show a picture."""
        super().__init__((pixels.shape[0], pixels.shape[1]), pixels.shape, 0, ChunkCache(0))
        self._pixels = pixels

    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        return self._pixels[slice(*rows), slice(*columns)]


class HeldReader:
    """An open slide, closed when it is told to, or when the last level that holds it is gone.

    Args:
        reader: The slide; nobody else closes it.

    Attributes:
        reader: The slide.
        lock: Held while it is read: readers are not thread-safe.
    """

    def __init__(self, reader: SlideReader) -> None:
        """Take over the slide."""
        self.reader = reader
        self.lock = Lock()
        self._closing = weakref.finalize(self, reader.close)

    def close(self) -> None:
        """Close the slide now, once whoever reads it has done; its levels can be read no more."""
        with self.lock:
            self._closing()

    def check_open(self) -> None:
        """Refuse to read a slide that is closed.

        Raises:
            InvalidValueError: It is.
        """
        if not self._closing.alive:
            raise InvalidValueError(
                "the slide was closed with its layer",
                where=self.reader.info.slide_id or "slide",
                remedy="open it again",
            )


class SlideLevel(LazyLevel):
    """A level of a raw slide, ``(y, x, 3)``, read from its file.

    Args:
        held: The open slide, which the levels share.
        grid: The level's raster over the slide.
        level: Index of the file's level with just that raster; None to average finer pixels.
        cache: Where decoded chunks are kept.
    """

    def __init__(
        self, held: HeldReader, grid: Grid, level: int | None, *, cache: ChunkCache
    ) -> None:
        """Show a level of the slide."""
        stored = (grid.size_px.height, grid.size_px.width)
        super().__init__(stored, (*stored, 3), WHITE, cache)
        self.held = held
        self._grid = grid
        self._level = level

    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        size = Size(columns[1] - columns[0], rows[1] - rows[0])
        with self.held.lock:
            self.held.check_open()
            if self._level is None:
                return read_grid_block(self.held.reader, self._grid, columns[0], rows[0], size)
            x, y = columns[0] * self._grid.downsample_x, rows[0] * self._grid.downsample_y
            return self.held.reader.read_region(round(x), round(y), self._level, size)


def store_levels(store: SlideStore) -> list[StoreLevel]:
    """The image of a store, finest level first."""
    cache = ChunkCache()
    shapes = exact_shapes(store.grid().size_px, store.factors)
    return [StoreLevel(store, i, shape, cache) for i, shape in enumerate(shapes)]


def slide_levels(reader: SlideReader) -> list[SlideLevel]:
    """A raw slide: the file's own levels, then averaged ones until an overview fits a screen."""
    cache, held = ChunkCache(), HeldReader(reader)
    info = reader.info
    levels = []
    for index, level in enumerate(info.levels):
        grid = Grid(level.size_px, level.downsample, level.downsample)
        levels.append(SlideLevel(held, grid, index, cache=cache))
    downsample = info.levels[-1].downsample
    size = info.levels[-1].size_px
    while max(size.width, size.height) > _COARSEST_SIDE_PX:
        downsample *= 2
        size = info.size.scaled_down(downsample)
        grid = Grid(size, downsample, downsample)
        levels.append(SlideLevel(held, grid, None, cache=cache))
    return levels


def exact_shapes(finest: Size, factors: Sequence[float]) -> list[tuple[int, int]]:
    """Shapes (height, width) whose ratios are exactly the ratios of the factors."""
    steps = [round(factor / factors[0]) for factor in factors]
    coarsest = finest.scaled_down(steps[-1])
    return [
        (coarsest.height * steps[-1] // step, coarsest.width * steps[-1] // step) for step in steps
    ]


def _full_index(index: object, ndim: int) -> tuple[Any, ...]:
    key: tuple[Any, ...] = index if isinstance(index, tuple) else (index,)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key = (*key[:at], *[slice(None)] * (ndim - len(key) + 1), *key[at + 1 :])
    if len(key) > ndim:
        raise IndexError(f"{len(key)} indices for {ndim} axes")
    return (*key, *[slice(None)] * (ndim - len(key)))


def _span(key: int | slice, length: int) -> tuple[Span, int | slice]:
    """What to read along an axis, and how to index what was read."""
    if isinstance(key, slice):
        wanted = range(length)[key]
        if not wanted:
            return (0, 0), slice(None)
        return (min(wanted), max(wanted) + 1), slice(None, None, wanted.step)
    position = range(length)[key]
    return (position, position + 1), 0


def _rectangles(chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[Span, Span]]:
    """Rows and columns of rectangles that hold just these chunks (given row by row)."""
    open_ones: list[tuple[Span, Span]] = []
    for (first, last), row in _runs(chunks):
        for i, (rows, columns) in enumerate(open_ones):
            if rows[1] == row and columns == (first, last):
                open_ones[i] = ((rows[0], row + 1), columns)
                break
        else:
            open_ones.append(((row, row + 1), (first, last)))
    yield from open_ones


def _runs(chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[Span, int]]:
    start = 0
    for i, (row, column) in enumerate(chunks):
        follows = i + 1 < len(chunks) and chunks[i + 1] == (row, column + 1)
        if not follows:
            yield (chunks[start][1], column + 1), row
            start = i + 1
