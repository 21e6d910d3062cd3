"""The raster that a model sees of a slide, on which its label lies, and the tiles laid over it."""

from __future__ import annotations

import numpy as np

from pathoai.geometry import Grid
from pathoai.inference.tile_plan import TileLattice
from pathoai.models.bundle import ModelBundle
from pathoai.store.label_image import label_grid
from pathoai.store.slide_store import SlideStore

_LARGEST_MPP_ERROR = 0.02


def label_factor(store: SlideStore, bundle: ModelBundle) -> int | float:
    """Store pixels per pixel of the model: whole where that is within 2 % of its scale."""
    exact = bundle.spec.mpp / store.mpp
    whole = max(1, round(exact))
    return whole if abs(whole / exact - 1) <= _LARGEST_MPP_ERROR else exact


def label_raster(store: SlideStore, bundle: ModelBundle) -> Grid:
    """The raster that the model sees, on which its label lies."""
    return label_grid(store.header, label_factor(store, bundle))


def tissue_tiles(store: SlideStore, bundle: ModelBundle) -> TileLattice:
    """The tiles of a model that show tissue, on its raster of a slide."""
    # A quarter of a tile is what hides the seams when the model's own tiles did not overlap.
    size, overlap = bundle.spec.size_px, bundle.spec.overlap_px or bundle.spec.size_px // 4
    grid, stride = label_raster(store, bundle), size - overlap
    # Starting half an overlap outside keeps the fading edge of tiles off the slide's own edge.
    first = -(overlap // 2)
    x = np.arange(first, grid.size_px.width, stride)
    y = np.arange(first, grid.size_px.height, stride)
    origins = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float64)
    fraction = store.tissue.fraction(
        origins[:, 0] * grid.downsample_x,
        origins[:, 1] * grid.downsample_y,
        (size * grid.downsample_x, size * grid.downsample_y),
    )
    return TileLattice(first, stride, size, (fraction > 0).reshape(len(y), len(x)))
