"""Which pixels of a label somebody has looked at: what nobody assessed is unknown, not negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Region, Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.provenance import sha256_of_json
from pathoai.store.slide_store import SlideStore
from pathoai.vector.rasterise import rasterise


@dataclass(frozen=True)
class AssessedPixels:
    """What of a slide was assessed besides outlines.

    Args:
        store: The slide's.
        all_tissue: Tissue without an outline is background.
        regions: Read exhaustively, level-0 pixels: within them whatever has no outline is
            background, and outside of them nothing is known. None where outlines count everywhere.
        undecided: Outlines that do not belong in the label, and that nobody rejected: within the
            regions, what lies there is unknown.
    """

    store: SlideStore
    all_tissue: bool = False
    regions: tuple[Region, ...] | None = None
    undecided: Sequence[BaseGeometry] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What a label says of it; nothing where no regions count."""
        if self.regions is None:
            return {}
        rows = sorted((r.x, r.y, r.width, r.height) for r in self.regions)
        unknown = sorted(shape.wkb_hex for shape in self._undecided.near(self._read.shapes))
        return {
            "read_regions": len(rows),
            "read_regions_sha256": sha256_of_json([rows, unknown]),
        }

    def classes(self, painted: NDArray[np.uint8], rows: slice, columns: slice) -> NDArray[np.uint8]:
        """The class map of a block.

        Args:
            painted: ``(H, W)`` uint8, the outlines; 255 elsewhere.
            rows: Of the store's finest level.
            columns: Likewise.
        """
        free = painted == NOT_ASSESSED
        if self.regions is not None:
            read = self._inside(self._read, rows, columns)
            known = read & free & ~self._inside(self._undecided, rows, columns)
            painted = np.where(known, np.uint8(BACKGROUND_INDEX), painted)
            return np.where(read, painted, np.uint8(NOT_ASSESSED))
        if self.all_tissue:
            known = free & self.store.tissue.on_grid(self.store.grid(), rows, columns)
            return np.where(known, np.uint8(BACKGROUND_INDEX), painted)
        return painted

    def numbers(
        self, painted: NDArray[np.uint32], rows: slice, columns: slice
    ) -> NDArray[np.uint32]:
        """Numbers of the outlines of a block, 0 where nothing is known."""
        if self.regions is None:
            return painted
        return np.where(self._inside(self._read, rows, columns), painted, np.uint32(0))

    @cached_property
    def _read(self) -> _Shapes:
        return _Shapes([shapely.box(r.x, r.y, r.right, r.bottom) for r in self.regions or ()])

    @cached_property
    def _undecided(self) -> _Shapes:
        return _Shapes(self.undecided)

    def _inside(self, shapes: _Shapes, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Pixels whose centres lie in one of some shapes, ``(H, W)``."""
        grid = self.store.grid()
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        block = grid.region(columns.start, rows.start, size.width, size.height)
        here = [shapely.box(block.x, block.y, block.right, block.bottom)]
        near = [(shape, 1) for shape in shapes.near(here)]
        origin = (columns.start, rows.start)
        return np.asarray(rasterise(near, grid, origin_px=origin, size_px=size) == 1)


class _Shapes:
    """Shapes that are found by their place: a slide may have a hundred thousand."""

    def __init__(self, shapes: Sequence[BaseGeometry]) -> None:
        self.shapes = shapes
        self._tree = shapely.STRtree(shapes)

    def near(self, places: Sequence[BaseGeometry]) -> list[BaseGeometry]:
        """Those whose bounds touch those of one of some places."""
        if not len(places):
            return []
        return [self.shapes[at] for at in np.unique(self._tree.query(places)[1]).tolist()]
