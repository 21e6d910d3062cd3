"""Which pictures form a pyramid, and the sizes that none exceeds: headers are not trusted."""

from __future__ import annotations

import math

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size

LONGEST_SIDE_PX = 8_000_000
"""400 mm at 0.05 µm: the largest glass at the finest scale that is let in."""
MOST_TILES = 10**8
LARGEST_TILE_BYTES = 64 * 2**20
"""Of one decoded tile or strip."""
_ROUNDING_PX = 2
"""Writers that halve again and again lose up to two pixels."""
_REMEDY = "copy the file again; it is damaged or was cut short"


def checked_size(width: int, height: int) -> Size:
    """A size that a file declares.

    Raises:
        DamagedSlideError: No slide, and no tile of one, can have it.
    """
    if not (1 <= width <= LONGEST_SIDE_PX and 1 <= height <= LONGEST_SIDE_PX):
        raise DamagedSlideError(
            "the file declares a size that no slide can have",
            found=f"{width} × {height} px",
            allowed=f"1 to {LONGEST_SIDE_PX} px a side",
            remedy=_REMEDY,
        )
    return Size(width, height)


def tile_grid(size_px: Size, tile_px: Size) -> tuple[int, int]:
    """Rows and columns of the tiles that cover a picture.

    Raises:
        DamagedSlideError: There would be absurdly many.
    """
    rows = math.ceil(size_px.height / tile_px.height)
    columns = math.ceil(size_px.width / tile_px.width)
    if rows * columns > MOST_TILES:
        raise DamagedSlideError(
            "the file declares absurdly many tiles",
            found=rows * columns,
            allowed=f"up to {MOST_TILES}",
            remedy=_REMEDY,
        )
    return rows, columns


def downsample(full: Size, size: Size) -> float:
    """Level-0 pixels per pixel of a level: the mean of both axes, as OpenSlide has it."""
    return (full.width / size.width + full.height / size.height) / 2


def is_coarser_copy(full: Size, size: Size) -> bool:
    """True where a picture of this size can be a coarser level of the full one."""
    by = downsample(full, size)
    return (
        by > 1
        and abs(full.width / by - size.width) < _ROUNDING_PX
        and abs(full.height / by - size.height) < _ROUNDING_PX
    )
