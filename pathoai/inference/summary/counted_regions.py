"""The parts of a slide in which objects are counted: fragments of tissue, and annotated areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.inference.regions import Regions
from pathoai.inference.summary.values_at import values_at
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import at_centres, pixels_at_centres
from pathoai.tissue.pieces import Pieces


@dataclass(frozen=True)
class CountedRegions:
    """Fragments tile the tissue; annotated areas may overlap, as those of two readers do.

    Args:
        numbers: ``(H, W)`` uint32: the fragment of each pixel of the tissue mask, from 1, in the
            order of their topmost pixels; 0 on glass. Pixels that touch at a corner are one.
        grid: The raster of the mask.
        annotated: Outlines; None where there are none.
    """

    numbers: NDArray[np.uint32]
    grid: Grid
    annotated: Regions | None = None

    @classmethod
    def of(cls, store: SlideStore, annotated: Regions | None = None) -> CountedRegions:
        """Those of a slide.

        Raises:
            StoreError: The store has no tissue mask.
        """
        tissue = store.tissue
        numbers = Pieces(tissue.mask, corners=True).numbers()
        return cls(numbers, tissue.grid, annotated)

    @property
    def outlines(self) -> NDArray[np.object_]:
        """Of the annotated areas, level-0 pixels."""
        return np.empty(0, object) if self.annotated is None else self.annotated.outlines

    @property
    def fragments(self) -> int:
        """How many there are."""
        return int(self.numbers.max(initial=0))

    def fragment_bounds(self) -> NDArray[np.float64]:
        """Left, top, right and bottom of each fragment, ``(F, 4)`` level-0 pixels."""
        from scipy import ndimage

        # A view: SciPy takes signed numbers, and a copy would be as large as the mask four times.
        found = ndimage.find_objects(self.numbers.view(np.int32))
        edges = [(c.start, r.start, c.stop, r.stop) for r, c in found]
        scale = [self.grid.downsample_x, self.grid.downsample_y] * 2
        return np.array(edges, np.float64).reshape(-1, 4) * scale

    def annotated_bounds(self) -> NDArray[np.float64]:
        """The same of the annotated areas, ``(A, 4)``."""
        return np.asarray(shapely.bounds(self.outlines)).reshape(-1, 4)

    def fragments_on(self, grid: Grid, rows: slice, columns: slice) -> NDArray[np.uint32]:
        """Their numbers at the pixel centres of a block of a raster, ``(h, w)`` uint32."""
        return at_centres(self.numbers, self.grid, grid, rows, columns)

    def pixels_on(
        self, grid: Grid, rows: slice, columns: slice
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each row and column of such a block that of ``numbers``."""
        return pixels_at_centres(self.numbers.shape, self.grid, grid, rows, columns)

    def fragment_of(self, xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """The fragment that holds each point ``(N, 2)``, level-0 pixels; 0 on glass."""
        pixel = (self.grid.downsample_x, self.grid.downsample_y)
        return values_at(self.numbers, pixel, xy).astype(np.int64)

    def annotated_pairs(self, xy: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Positions of points ``(N, 2)`` and of the annotated areas that hold them, in pairs."""
        if not len(self.outlines) or not len(xy):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        tree = shapely.STRtree(shapely.points(xy))
        areas, points = tree.query(self.outlines, predicate="intersects")
        return points, areas
