"""Any part of a slide at any scale, one block at a time, on the CPU: for thumbnails and masks.

The store's own pixels are resampled in batches on the device by ``pathoai.preprocess.resample``.
"""

from __future__ import annotations

import math
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Grid, Size
from pathoai.slide.reader import SlideReader

_BLOCK_PX = 1024
_SMALLEST_BLOCK_PX = 8
_MOST_SOURCE_PX = 2**20
"""Read at once: a slide may have no level near the grid's scale."""
_WHITE = 255


def read_grid_block(
    reader: SlideReader, grid: Grid, x_px: int, y_px: int, size_px: Size
) -> NDArray[np.uint8]:
    """A block of a grid laid over the slide.

    Args:
        reader: The slide.
        grid: The raster; its frame is that of the other arguments.
        x_px: Left edge of the block in pixels of the grid.
        y_px: Top edge likewise.
        size_px: Size of the block likewise.

    Returns:
        ``(height, width, 3)`` uint8; each pixel averages what it covers (antialiased).
    """
    level = reader.info.level_for(min(grid.downsample_x, grid.downsample_y))
    downsample = reader.info.levels[level].downsample
    region = grid.region(x_px, y_px, size_px.width, size_px.height)
    left, top = region.x / downsample, region.y / downsample
    right, bottom = region.right / downsample, region.bottom / downsample
    first_x, first_y = math.floor(left), math.floor(top)
    pixels = reader.read_region(
        round(first_x * downsample),
        round(first_y * downsample),
        level,
        Size(math.ceil(right) - first_x, math.ceil(bottom) - first_y),
    )
    box = (left - first_x, top - first_y, right - first_x, bottom - first_y)
    image = Image.fromarray(pixels).resize(
        (size_px.width, size_px.height), Image.Resampling.BOX, box=box
    )
    return np.asarray(image)


class GridPicture:
    """The whole slide on a coarse grid, ``(height, width, 3)`` uint8, read where it is looked at.

    A damaged place stays white, and no more around it than a few pixels: a slide with some damage
    still has a thumbnail and tissue. May be shared by threads.
    """

    def __init__(self, reader: SlideReader, grid: Grid) -> None:
        """Read nothing yet."""
        self._reader = reader
        self._grid = grid
        self._lock = Lock()
        self._read_px = 0
        self._lost_px = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        return (self._grid.size_px.height, self._grid.size_px.width, 3)

    def __getitem__(self, place: tuple[slice, slice], /) -> NDArray[np.uint8]:
        """Read rows and columns, from start to stop; ``(h, w, 3)`` uint8.

        Raises:
            DamagedSlideError: More than half of the slide cannot be read.
        """
        rows, columns = place
        out = np.full((rows.stop - rows.start, columns.stop - columns.start, 3), _WHITE, np.uint8)
        with self._lock:
            self._lost_px += _read_into(out, self._reader, self._grid, columns.start, rows.start)
            self._read_px += out.shape[0] * out.shape[1]
            # Some is read more than once.
            if 2 * self._lost_px > max(self._read_px, self.shape[0] * self.shape[1]):
                raise DamagedSlideError(
                    "more than half of the slide cannot be read",
                    where=self._reader.info.slide_id or "slide",
                    remedy="scan or copy the slide again",
                )
        return out


def read_grid(reader: SlideReader, grid: Grid) -> NDArray[np.uint8]:
    """The whole slide on a coarse grid, ``(height, width, 3)`` uint8; see ``GridPicture``.

    Raises:
        DamagedSlideError: More than half of the slide cannot be read.
    """
    picture = GridPicture(reader, grid)
    whole = np.empty(picture.shape, np.uint8)
    height, width = whole.shape[:2]
    for y in range(0, height, _BLOCK_PX):
        for x in range(0, width, _BLOCK_PX):
            place = slice(y, min(y + _BLOCK_PX, height)), slice(x, min(x + _BLOCK_PX, width))
            whole[place] = picture[place]
    return whole


def _read_into(
    out: NDArray[np.uint8], reader: SlideReader, grid: Grid, x_px: int, y_px: int
) -> int:
    """Fill a block, in smaller parts around what is damaged; returns pixels lost."""
    height, width = out.shape[:2]
    if _source_px(reader, grid, height * width) > _MOST_SOURCE_PX and max(height, width) > 1:
        return _read_quarters(out, reader, grid, x_px, y_px)
    try:
        out[:] = read_grid_block(reader, grid, x_px, y_px, Size(width, height))
    except DamagedSlideError:
        if max(height, width) <= _SMALLEST_BLOCK_PX:
            return int(height * width)
        return _read_quarters(out, reader, grid, x_px, y_px)
    return 0


def _source_px(reader: SlideReader, grid: Grid, area_px: int) -> float:
    """Pixels of the slide's level that make an area of the grid."""
    downsample = min(grid.downsample_x, grid.downsample_y)
    level = reader.info.levels[reader.info.level_for(downsample)]
    return area_px * grid.downsample_x * grid.downsample_y / level.downsample**2


def _read_quarters(
    out: NDArray[np.uint8], reader: SlideReader, grid: Grid, x_px: int, y_px: int
) -> int:
    height, width = out.shape[:2]
    middle_y, middle_x = (height + 1) // 2, (width + 1) // 2
    lost = 0
    for top, bottom in ((0, middle_y), (middle_y, height)):
        for left, right in ((0, middle_x), (middle_x, width)):
            part = out[top:bottom, left:right]
            if part.size:
                lost += _read_into(part, reader, grid, x_px + left, y_px + top)
    return lost
