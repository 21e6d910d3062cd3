"""Which pixels of a raster make one region: those of equal value that share edges.

Regions are made of runs, stretches of equal pixels in a row: after one look at the raster, what is
done depends on how much there is in it, not on its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.linked_groups import group_of_each

NOWHERE = -1
"""Number of pixels that belong to no region."""


@dataclass(frozen=True, slots=True)
class PixelRegions:
    """The regions of a raster, or of a block of one.

    Args:
        shape: Its height and width.
        start: ``(runs,)`` int64: the first pixel of each run, counted row by row. Every row begins
            with one.
        number: ``(runs,)`` int64: the region of each run, counted from 0, or ``NOWHERE``.
        value: ``(n,)`` int64: what the pixels of each region are in the raster.
        area_px: ``(n,)`` int64: how many they are.
    """

    shape: tuple[int, int]
    start: NDArray[np.int64]
    number: NDArray[np.int64]
    value: NDArray[np.int64]
    area_px: NDArray[np.int64]

    def __len__(self) -> int:
        """How many regions there are."""
        return len(self.value)

    @classmethod
    def nowhere(cls, shape: tuple[int, int]) -> Self:
        """No regions: each row is one run."""
        nothing = np.empty(0, np.int64)
        start = np.arange(shape[0]) * shape[1]
        return cls(shape, start, np.full(shape[0], NOWHERE, np.int64), nothing, nothing)

    def first_of_rows(self) -> NDArray[np.int64]:
        """The run that begins each row, ``(H,)``."""
        return np.searchsorted(self.start, np.arange(self.shape[0]) * self.shape[1])

    def sides(self) -> tuple[NDArray[np.int64], ...]:
        """The regions of the pixels of the first column, the last, the first row and the last."""
        first, (height, width) = self.first_of_rows(), self.shape
        last = np.append(first[1:], len(self.start)) - 1
        length = np.diff(self.start, append=height * width)
        top, bottom = slice(0, last[0] + 1), slice(first[-1], None)
        return (
            self.number[first],
            self.number[last],
            np.repeat(self.number[top], length[top]),
            np.repeat(self.number[bottom], length[bottom]),
        )

    def sums(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over each region, ``(n, channels)``, exact for whole numbers.

        Args:
            weights: ``(channels, H, W)``; its planes may be empty where there is no region.
        """
        sums = np.zeros((len(self), len(weights)))
        if not len(self):
            return sums
        inside = self.number >= 0
        # No run is longer than a row: sums of bytes fit 32 bits, which are added in half the time.
        narrow = np.uint32 if weights.dtype == np.uint8 else np.float64
        for channel, plane in enumerate(weights):
            of_run = np.add.reduceat(plane.ravel(), self.start, dtype=narrow)[inside]
            sums[:, channel] = np.bincount(self.number[inside], of_run, len(self))
        return sums


def find_regions(values: NDArray[Any], ignore: Sequence[int]) -> PixelRegions:
    """The regions of a raster; pixels that touch at a corner only are apart.

    Args:
        values: ``(H, W)``, whole numbers.
        ignore: Values that make no region.
    """
    height, width = values.shape
    if values[0, 0] in ignore and (values == values[0, 0]).all():
        return PixelRegions.nowhere((height, width))
    begins = np.ones(values.shape, np.bool_)
    np.not_equal(values[:, 1:], values[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    length = np.diff(start, append=values.size)
    value = values.ravel()[start].astype(np.int64)
    kept = np.flatnonzero(~np.isin(value, ignore))
    group = _joined(start[kept], start[kept] + length[kept], value[kept], width)
    number = np.full(len(start), NOWHERE, np.int64)
    number[kept] = group
    count = int(group.max(initial=NOWHERE)) + 1
    of_region = np.empty(count, np.int64)
    of_region[group] = value[kept]
    area = np.bincount(group, length[kept], count).astype(np.int64)
    return PixelRegions((height, width), start, number, of_region, area)


def _joined(
    start: NDArray[np.int64], stop: NDArray[np.int64], value: NDArray[np.int64], width: int
) -> NDArray[np.int32]:
    """The region of each run of pixels, counted from 0."""
    # Runs neither overlap nor go on in the next row, so both their ends ascend.
    first = np.searchsorted(stop, start - width, side="right")
    count = np.maximum(np.searchsorted(start, stop - width, side="left") - first, 0)
    below = np.repeat(np.arange(len(start)), count)
    step = np.arange(len(below)) - np.repeat(np.cumsum(count) - count, count)
    above = first[below] + step
    same = value[above] == value[below]
    return group_of_each(len(start), above[same], below[same])


def positions_of(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Region → its position among those chosen, ``(n + 1,)``; ``NOWHERE`` of others and of nothing.

    Args:
        chosen: ``(n,)``.
    """
    return np.append(np.where(chosen, np.cumsum(chosen) - 1, NOWHERE), NOWHERE)
