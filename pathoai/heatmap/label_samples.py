"""Values of a label under the pixels of a figure, read from the level that fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.geometry import Region
from pathoai.heatmap.view import View
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.label_image import LabelImage
from pathoai.store.shards import CHUNK_PX

_MOST_PER_SIDE = 4
_BLOCK_PX = 1 << 24
"""What is read at once; a figure of a whole slide is read in bands."""
_COUNTED_PX = 1 << 26


@dataclass(frozen=True)
class LabelSamples:
    """Up to four by four points under each pixel of a view, so that small objects are not lost.

    Args:
        label: What is sampled.
        view: Where.
        level: Of the label.
        per_side: Points per pixel of the view along each axis.
    """

    label: LabelImage
    view: View
    level: int
    per_side: int

    @classmethod
    def of(cls, label: LabelImage, view: View) -> LabelSamples:
        """At the coarsest level that has as many points, or the finest."""
        step = view.downsample_x / _MOST_PER_SIDE * 1.01
        fine = [i for i in range(len(label.factors)) if label.grid(i).downsample_x <= step]
        level = max(fine, default=0)
        wanted = np.ceil(view.downsample_x / label.grid(level).downsample_x - 0.01)
        return cls(label, view, level, int(np.clip(wanted, 1, _MOST_PER_SIDE)))

    def class_map(self, band: slice) -> NDArray[np.uint8]:
        """Classes under some rows, ``(rows, per_side, width, per_side)`` uint8."""
        return self._of(self.label.array(self.level), (), band)

    def probability(self, channel: int, band: slice) -> NDArray[np.uint8]:
        """Probabilities likewise, 255 for certainty."""
        return self._of(self.label.probability(self.level), (channel,), band)

    def uncertainty(self, channel: int, band: slice) -> NDArray[np.uint8]:
        """Uncertainties likewise."""
        return self._of(self.label.uncertainty(self.level), (channel,), band)

    def _of(self, array: zarr.Array[Any], lead: tuple[int, ...], band: slice) -> NDArray[np.uint8]:
        side, grid = self.per_side, self.label.grid(self.level)
        columns = self.view.columns_on(grid, side)
        rows = self.view.rows_on(grid, side)[band.start * side : band.stop * side]
        left, right = int(columns[0]), int(columns[-1]) + 1
        out = np.empty((len(rows), len(columns)), np.uint8)
        step = max(1, _BLOCK_PX // max(1, right - left))
        start = 0
        while start < len(rows):
            top = int(rows[start])
            stop = int(np.searchsorted(rows, top + step, side="left"))
            bottom = int(rows[stop - 1]) + 1
            part: Any = (*lead, slice(top, bottom), slice(left, right))
            block = np.asarray(array[part])
            out[start:stop] = block[np.ix_(rows[start:stop] - top, columns - left)]
            start = stop
        return out.reshape(band.stop - band.start, side, self.view.size_px.width, side)


@dataclass(frozen=True, slots=True)
class ClassAreas:
    """How much of a region is under which class.

    Args:
        mm2: Area by value of the class map.
        mpp: Scale at which it was measured.
        exact: True where that is the finest.
    """

    mm2: dict[int, float]
    mpp: float
    exact: bool


def class_areas(label: LabelImage, region: Region) -> ClassAreas:
    """Areas in a region, of the finest level that has at most 67 million pixels there.

    Coarser levels hold every so manyth pixel, which for millions of them is a fair sample.
    """
    levels = range(len(label.factors))
    counted = (i for i in levels if _pixels(label, i, region) <= _COUNTED_PX)
    level = next(counted, levels[-1])
    count = np.zeros(256, np.int64)
    for block in _blocks(label, level, region):
        count += np.bincount(block.ravel(), minlength=256)
    mpp = label.mpp * label.factors[level] / label.factors[0]
    pixel = label.pixel_area_um2 * (label.factors[level] / label.factors[0]) ** 2
    areas = {value: float(count[value]) * pixel / 1e6 for value in range(NOT_ASSESSED)}
    return ClassAreas({v: area for v, area in areas.items() if area}, mpp, level == 0)


def pixels_of(label: LabelImage, level: int, region: Region) -> tuple[slice, slice]:
    """Rows and columns of a level whose centres lie in a region."""
    grid = label.grid(level)
    spans = (
        (region.y, region.bottom, grid.downsample_y, grid.size_px.height),
        (region.x, region.right, grid.downsample_x, grid.size_px.width),
    )
    edges = [
        slice(max(0, int(np.ceil(low / step - 0.5))), min(size, int(np.ceil(high / step - 0.5))))
        for low, high, step, size in spans
    ]
    return edges[0], edges[1]


def _pixels(label: LabelImage, level: int, region: Region) -> int:
    rows, columns = pixels_of(label, level, region)
    return int(max(0, rows.stop - rows.start) * max(0, columns.stop - columns.start))


def _blocks(label: LabelImage, level: int, region: Region) -> Iterator[NDArray[np.uint8]]:
    rows, columns = pixels_of(label, level, region)
    array = label.array(level)
    # Whole rows of chunks, so that hardly one is decoded twice; counting takes eight bytes each.
    step = max(1, (_BLOCK_PX >> 2) // max(1, columns.stop - columns.start) // CHUNK_PX) * CHUNK_PX
    for top in range(rows.start, rows.stop, step):
        yield np.asarray(array[top : min(top + step, rows.stop), columns])
