"""Squares about places of a slide, as a network of regions sees them: near, and from farther away.

Training and prediction both read by this, so that both see the same pixels.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.store.slide_store import SlideStore
from pathoai.store.tile_reader import TileReader
from pathoai.tiling.grid import clear_of
from pathoai.tiling.spec import TileSpec

OFF_SLIDE, DAMAGED = "off their slide", "on damaged places"
"""Why a region serves nothing."""


@dataclass(frozen=True, slots=True)
class PlacedRegions:
    """Where squares about some centres lie, and which of them can be looked at.

    Args:
        origins_px: ``(N, 2)`` int64: x and y of each square's top left, in pixels of the raster
            that covers the slide at the spec's mpp.
        on_slide: ``(N,)`` bool, the centre lies on the slide.
        whole: ``(N,)`` bool, the square touches no damaged place.
    """

    origins_px: NDArray[np.int64]
    on_slide: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """``(N,)`` bool."""
        return self.on_slide & self.whole


def place_regions(store: SlideStore, spec: TileSpec, centres: NDArray[np.float64]) -> PlacedRegions:
    """Lay a square about each centre.

    Args:
        store: The slide.
        spec: Size and scale of the squares.
        centres: ``(N, 2)`` x and y, level-0 pixels.
    """
    slide = store.slide
    grid = slide.grid(spec.mpp)
    x, y = centres.T
    on_slide = (x >= 0) & (y >= 0) & (x < slide.size.width) & (y < slide.size.height)
    centres_px = centres / (grid.downsample_x, grid.downsample_y)
    # The pixel whose corner is nearest to the centre lies in the middle of the square.
    origins_px = np.rint(centres_px - spec.size_px / 2).astype(np.int64)
    whole = clear_of(store.damaged_regions, grid, origins_px, spec.size_px)
    return PlacedRegions(origins_px, on_slide, whole)


@dataclass(frozen=True)
class RegionViews:
    """Reads the views of regions of one slide; may be shared by threads, forked and pickled.

    Args:
        store: The slide.
        spec: Size and scale of the near view.
        context: How many times coarser each further view about the same centre is.
    """

    store: SlideStore
    spec: TileSpec
    context: tuple[float, ...] = ()

    @cached_property
    def _reader(self) -> TileReader:
        return TileReader(self.store, replace(self.spec, overlap_px=0))

    @property
    def grid(self) -> Grid:
        """The raster of the near view."""
        return self._reader.grid

    def read(
        self, origins_px: NDArray[np.int64], pool: Executor | None = None
    ) -> NDArray[np.uint8]:
        """Views ``(N, V, 3, S, S)`` uint8, the near one first; white outside of the slide.

        Args:
            origins_px: ``(N, 2)`` int64, as of :class:`PlacedRegions`.
            pool: Threads to decode in.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        size = self.spec.size_px
        views = np.empty((len(origins_px), 1 + len(self.context), 3, size, size), np.uint8)
        views[:, 0] = self._reader.read(origins_px, pool).pixels.transpose(0, 3, 1, 2)
        for view, factor in enumerate(self.context, start=1):
            around = self._reader.read_context(origins_px, factor, pool)
            views[:, view] = around.transpose(0, 3, 1, 2)
        return views
