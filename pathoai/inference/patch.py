"""Pixels of one object in their smallest window: what seams are healed with."""

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
        mask: ``(h, w)`` bool, which pixels of the window.
    """

    y: int
    x: int
    mask: NDArray[np.bool_]

    @property
    def window(self) -> Window:
        """Rows and columns of the raster."""
        height, width = self.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

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
        return Patch(rows.start, columns.start, self.on((rows, columns)))

    def without(self, others: Iterable[Patch]) -> Patch:
        """What none of the others has."""
        left = self.mask.copy()
        for other in others:
            other.paste(left, False, y=self.y, x=self.x)
        return Patch(self.y, self.x, left)

    def parts(self) -> Iterator[Patch]:
        """Its connected parts; pixels that touch at a corner only are apart."""
        from scipy import ndimage

        regions, _ = ndimage.label(self.mask)
        for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
            mask = regions[rows, columns] == number
            yield Patch(self.y + rows.start, self.x + columns.start, mask)
