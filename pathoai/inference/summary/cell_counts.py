"""Pixels of each class in cells of about 16 µm: what neighbourhoods are looked for in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.summary.class_map import ClassMap
from pathoai.inference.summary.pixel_runs import PixelRuns
from pathoai.inference.summary.values_at import values_at
from pathoai.tissue.fragments import closed

CELL_UM = 16.0
_LARGEST_CELL_PX = 128
_LEAST_SHARE = 0.25
"""A cell belongs to a group that covers a quarter of it: single files do, specks do not."""


def cell_px(mpp: float) -> int:
    """Pixels along a cell: a power of two, so that cells do not straddle blocks."""
    exponent = round(np.log2(max(1.0, CELL_UM / mpp)))
    return int(min(2**exponent, _LARGEST_CELL_PX))


@dataclass(frozen=True)
class CellCounts:
    """Counts of assessed pixels of tissue.

    Args:
        class_map: Of what.
        values: Classes that are counted.
        pixels: ``(V, rows, columns)`` uint16, of each.
    """

    class_map: ClassMap
    values: tuple[int, ...]
    pixels: NDArray[np.uint16]

    @classmethod
    def empty(cls, class_map: ClassMap, values: tuple[int, ...]) -> CellCounts:
        """Without any pixel yet."""
        side = cell_px(class_map.mpp)
        height, width = (-(-length // side) for length in class_map.shape)
        return cls(class_map, values, np.zeros((len(values), height, width), np.uint16))

    @property
    def side_px(self) -> int:
        """Pixels along a cell."""
        return cell_px(self.class_map.mpp)

    def add(self, runs: PixelRuns, rows: slice, columns: slice) -> None:
        """Count a block; blocks begin where cells do, and runs end where they do."""
        side, kinds = self.side_px, len(self.values) + 1
        height, width = (-(-(part.stop - part.start) // side) for part in (rows, columns))
        position = np.full(256, kinds - 1, np.int64)
        position[list(self.values)] = np.arange(kinds - 1)
        kind = np.where(runs.fragment > 0, position[runs.value], kinds - 1)
        cell = runs.row // side * width + runs.column // side
        found = runs.counted(cell * kinds + kind, height * width * kinds)
        counted = found.reshape(height, width, kinds)[..., :-1].transpose(2, 0, 1)
        top, left = rows.start // side, columns.start // side
        self.pixels[:, top : top + height, left : left + width] = counted

    def zone(self, pixels: NDArray[np.int32], closing_um: float) -> NDArray[np.bool_]:
        """Cells of which a quarter is covered, and gaps of up to twice a reach between.

        Args:
            pixels: ``(rows, columns)``, covered in each cell.
            closing_um: The reach.
        """
        core = pixels >= _LEAST_SHARE * self.side_px**2
        return closed(core, round(closing_um / (self.side_px * self.class_map.mpp)))

    def mostly(self, values: frozenset[int], ground: frozenset[int]) -> NDArray[np.bool_]:
        """Cells about which some classes are more than half of a ground, as nine cells have it.

        Args:
            values: The classes.
            ground: All classes that are asked about, these among them.
        """
        return 2 * _around(self.summed(values)) > _around(self.summed(ground))

    def mm2(self, value: int, where: NDArray[np.bool_]) -> float:
        """Area of a class in some cells."""
        pixels = int(self.pixels[self.values.index(value)][where].sum(dtype=np.int64))
        return pixels * self.class_map.pixel_mm2

    def holds(self, where: NDArray[np.bool_], xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points ``(N, 2)``, level-0 pixels, lie in some cells."""
        grid, side = self.class_map.grid, self.side_px
        return values_at(where, (grid.downsample_x * side, grid.downsample_y * side), xy)

    def summed(self, values: Collection[int]) -> NDArray[np.int32]:
        """Pixels of some classes in each cell, ``(rows, columns)`` int32."""
        total = np.zeros(self.pixels.shape[1:], np.int32)
        for value in values:
            total += self.pixels[self.values.index(value)]
        return total


def _around(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over each cell and its eight neighbours."""
    down = np.pad(plane, 1)
    down = down[:-2] + down[1:-1] + down[2:]
    return np.asarray(down[:, :-2] + down[:, 1:-1] + down[:, 2:])
