"""Pixels of one object in their smallest window: what seams are healed with.

They are held as bits: what waits for the next rows of shards is most of what healing needs, and of
an object as large as its shard, whoever finds such, it is millions of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.blocks import Window


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Some pixels of a raster.

    Args:
        y: First row of the window, in pixels of the raster.
        x: First column likewise.
        shape: Height and width of the window.
        bits: Which pixels of it, row by row, eight to a byte.
    """

    y: int
    x: int
    shape: tuple[int, int]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, y: int, x: int, mask: NDArray[np.bool_]) -> Patch:
        """The pixels of a mask, ``(h, w)`` bool, whose first one lies at row y and column x."""
        height, width = mask.shape
        return cls(y, x, (height, width), np.packbits(mask))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels of the window, ``(h, w)`` bool; made anew whenever it is asked for."""
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(self.bits, count=count).view(np.bool_).reshape(self.shape)

    @property
    def window(self) -> Window:
        """Rows and columns of the raster."""
        height, width = self.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return int(np.bitwise_count(self.bits).sum())

    def on(self, window: Window) -> NDArray[np.bool_]:
        """The mask on another window, ``(h, w)`` bool of that window."""
        rows, columns = window
        out = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        self.paste(out, True, y=rows.start, x=columns.start)
        return out

    def paste(self, raster: NDArray[Any], value: int, *, y: int, x: int) -> None:
        """Set the pixels in a raster that starts at row ``y`` and column ``x``."""
        spans = []
        for own, start, length in zip(self.window, (y, x), raster.shape, strict=True):
            first, last = max(own.start, start), min(own.stop, start + length)
            if first >= last:
                return
            spans += [
                slice(first - start, last - start),
                slice(first - own.start, last - own.start),
            ]
        to_rows, rows, to_columns, columns = spans
        raster[to_rows, to_columns][self.mask[rows, columns]] = value

    def common_px(self, other: Patch) -> int:
        """Number of pixels that both have."""
        return int(np.count_nonzero(self.mask & other.on(self.window)))

    def inside(self, window: Window) -> Patch:
        """What lies in a window of the raster, which has some of its rows and columns."""
        rows, columns = (
            slice(first := max(own.start, part.start), max(first, min(own.stop, part.stop)))
            for own, part in zip(self.window, window, strict=True)
        )
        return Patch.of(rows.start, columns.start, self.on((rows, columns)))

    def without(self, others: Iterable[Patch]) -> Patch:
        """What none of the others has."""
        left = self.mask
        for other in others:
            other.paste(left, False, y=self.y, x=self.x)
        return Patch.of(self.y, self.x, left)

    def parts(self) -> Iterator[Patch]:
        """Its connected parts; pixels that touch at a corner only are apart."""
        from scipy import ndimage

        regions, _ = ndimage.label(self.mask)
        for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
            mask = regions[rows, columns] == number
            yield Patch.of(self.y + rows.start, self.x + columns.start, mask)
