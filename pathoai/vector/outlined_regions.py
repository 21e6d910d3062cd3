"""Regions of a raster with their outlines, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.corners import Corners
from pathoai.vector.pixel_regions import PixelRegions
from pathoai.vector.rings import outlines_of

NO_WEIGHTS = np.empty((0, 0, 0))
"""Of rasters beside which nothing lies."""


@dataclass(frozen=True, slots=True)
class RegionSums:
    """What is counted in regions, of which each may be known in part.

    Args:
        value: ``(n,)`` int64: what their pixels are in the raster.
        area_px: ``(n,)`` int64: how many pixels they have.
        weight: ``(n, channels)`` float64: sums of weights over these.
    """

    value: NDArray[np.int64]
    area_px: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """How many."""
        return len(self.value)

    @classmethod
    def of_pixels(cls, regions: PixelRegions, weights: NDArray[Any] = NO_WEIGHTS) -> Self:
        """Count a block's regions; ``weights`` are ``(channels, h, w)``."""
        if not len(weights):
            return cls(regions.value, regions.area_px, np.empty((len(regions), 0)))
        return cls(regions.value, regions.area_px, regions.sums(weights))

    def of(self, chosen: NDArray[Any]) -> Self:
        """Some of them."""
        return type(self)(self.value[chosen], self.area_px[chosen], self.weight[chosen])

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """All of several, at least one."""
        return cls(
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.area_px for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )

    def added_up(self, group: NDArray[np.int32]) -> Self:
        """The sums of groups, of which ``group`` names each one's; members have one value."""
        count = int(group.max(initial=-1)) + 1
        value = np.empty(count, np.int64)
        value[group] = self.value
        area, weight = np.zeros(count, np.int64), np.zeros((count, self.weight.shape[1]))
        np.add.at(area, group, self.area_px)
        np.add.at(weight, group, self.weight)
        return type(self)(value, area, weight)


@dataclass(frozen=True, slots=True)
class OutlinedRegions:
    """Whole regions.

    Args:
        sums: What they are.
        outline: ``(n,)`` polygons in pixels of the raster, edges of pixels at whole numbers.
        last_px: ``(n, 2)`` int64: y and x of the lower right corner of each one's last pixel, from
            row to row: no two regions share it, and it does not depend on blocks.
    """

    sums: RegionSums
    outline: NDArray[np.object_]
    last_px: NDArray[np.int64]

    def __len__(self) -> int:
        """How many."""
        return len(self.sums)

    def of(self, chosen: NDArray[Any]) -> Self:
        """Some of them."""
        return type(self)(self.sums.of(chosen), self.outline[chosen], self.last_px[chosen])

    @classmethod
    def within(cls, corners: Corners, sums: RegionSums) -> Self:
        """Outline regions of which all corners are known."""
        outline, last = outlines_of(corners, len(sums))
        return cls(sums, outline, np.stack([last.y, last.x], axis=1))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """All of several, at least one, by their last pixels: row by row."""
        last = np.concatenate([part.last_px for part in parts])
        order = np.lexsort(last.T[::-1])
        return cls(
            RegionSums.joined([part.sums for part in parts]).of(order),
            np.concatenate([part.outline for part in parts])[order],
            last[order],
        )
