"""How much of each region is of which class: one pass over the map, a block at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.inference.summary.cell_counts import CellCounts
from pathoai.inference.summary.class_map import ClassMap
from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.pixel_runs import PixelRuns
from pathoai.look_ahead import in_order
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.shards import SHARD_PX
from pathoai.vector.rasterise import rasterise

VALUES = 256
_MOST_THREADS = 8
"""Each holds a block and its runs, some 50 MB."""
_Seen = tuple[tuple[slice, slice], NDArray[np.uint8], PixelRuns]


@dataclass(frozen=True)
class RegionAreas:
    """Pixels of tissue by class; the column 255 is tissue that nobody assessed.

    Args:
        fragments: ``(F + 1, 256)`` int64; row 0, of glass, holds nothing.
        annotated: ``(A, 256)`` int64; an annotated area's pixels are those whose centre it holds.
        pixel_mm2: Area of a pixel.
        cells: The same in cells; None where no rule asks for them.
    """

    fragments: NDArray[np.int64]
    annotated: NDArray[np.int64]
    pixel_mm2: float
    cells: CellCounts | None = None

    @property
    def tissue(self) -> NDArray[np.int64]:
        """Of the whole slide, ``(256,)``."""
        return np.asarray(self.fragments.sum(axis=0))

    def assessed_mm2(self, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Area of assessed tissue of rows ``(..., 256)``."""
        return np.asarray(pixels[..., :NOT_ASSESSED].sum(axis=-1) * self.pixel_mm2)

    def mm2(self, values: frozenset[int]) -> float:
        """Area of some classes on the whole slide."""
        return int(self.tissue[sorted(values)].sum()) * self.pixel_mm2


def measure_regions(
    class_map: ClassMap, regions: CountedRegions, cell_values: tuple[int, ...] = ()
) -> RegionAreas:
    """Count the pixels of each class in each region.

    Args:
        class_map: Classes.
        regions: Where.
        cell_values: Classes to be counted in cells too; none for no cells.

    Raises:
        StoreError: A chunk of the map is damaged.
    """
    fragments = np.zeros((regions.fragments + 1) * VALUES, np.int64)
    annotated = np.zeros((len(regions.outlines), VALUES), np.int64)
    cells = CellCounts.empty(class_map, cell_values) if cell_values else None
    tree = shapely.STRtree(regions.outlines)
    cell_px = cells.side_px if cells else SHARD_PX

    def look(within: tuple[slice, slice]) -> _Seen | None:
        rows, columns = within
        at = regions.pixels_on(class_map.grid, rows, columns)
        if not regions.numbers[at[0][0] : at[0][-1] + 1, at[1][0] : at[1][-1] + 1].any():
            return None  # most of a slide is glass
        block = class_map.read(rows, columns)
        return within, block, PixelRuns.of(block, regions.numbers, at, cell_px)

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        for seen in in_order(pool, look, class_map.blocks(), depth=2 * threads):
            if seen is None:
                continue
            (rows, columns), block, runs = seen
            key = runs.fragment.astype(np.int64) * VALUES + runs.value
            found = runs.counted(key)
            fragments[: len(found)] += found
            if cells is not None:
                cells.add(runs, rows, columns)
            _add_annotated(annotated, tree, class_map, (rows, columns), block, regions)
    of_fragments = fragments.reshape(-1, VALUES)
    of_fragments[0] = 0
    return RegionAreas(of_fragments, annotated, class_map.pixel_mm2, cells)


def _add_annotated(
    annotated: NDArray[np.int64],
    tree: shapely.STRtree,
    class_map: ClassMap,
    within: tuple[slice, slice],
    block: NDArray[np.uint8],
    regions: CountedRegions,
) -> None:
    """Count in every annotated area that reaches into a block, each in its own rectangle."""
    if not len(annotated):
        return
    rows, columns = within
    grid = class_map.grid
    scale = np.array([grid.downsample_x, grid.downsample_y] * 2)
    edges = np.array([columns.start, rows.start, columns.stop, rows.stop])
    for at in np.sort(tree.query(shapely.box(*(edges * scale)))).tolist():
        outline = tree.geometries[at]
        bounds = np.asarray(shapely.bounds(outline)) / scale
        left, top = np.maximum(np.floor(bounds[:2]).astype(np.int64), edges[:2]).tolist()
        right, bottom = np.minimum(np.ceil(bounds[2:]).astype(np.int64), edges[2:]).tolist()
        if left >= right or top >= bottom:
            continue
        size = Size(right - left, bottom - top)
        inside = rasterise([(outline, 1)], grid, origin_px=(left, top), size_px=size) == 1
        inside &= regions.fragments_on(grid, slice(top, bottom), slice(left, right)) > 0
        part = block[top - rows.start : bottom - rows.start, left - columns.start :]
        annotated[at] += np.bincount(part[:, : right - left][inside], minlength=VALUES)
