"""The other stain as a picture over the slide: warped chunk by chunk, as one looks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pathoai.picture.chunk_cache import ChunkCache
from napari_pathoai.picture.layers import METADATA, LayerData, raster_frame
from napari_pathoai.picture.pyramid import LazyLevel, Span, exact_shapes
from napari_pathoai.picture.twin import stain_name
from pathoai.geometry import Grid, Size
from pathoai.registration.passage import Passage
from pathoai.registration.warped_slide import WarpedSlide
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import CohortRow

KIND = "twin"


class WarpedLevel(LazyLevel):
    """A level of the slide in which its twin is seen, ``(y, x, 4)``; transparent beyond the twin.

    Args:
        warped: The twin, brought over.
        grid: The level's raster over the slide.
        shape: Height and width shown to napari.
        cache: Where warped chunks are kept.
    """

    def __init__(
        self, warped: WarpedSlide, grid: Grid, shape: tuple[int, int], cache: ChunkCache
    ) -> None:
        """Nothing is read yet."""
        stored = (grid.size_px.height, grid.size_px.width)
        super().__init__(stored, (*shape, 4), 0, cache)
        self._warped = warped
        self._grid = grid

    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        size = Size(columns[1] - columns[0], rows[1] - rows[0])
        return self._warped.read_grid(self._grid, columns[0], rows[0], size)


def twin_layer(store: SlideStore, twin: SlideStore, row: CohortRow, passage: Passage) -> LayerData:
    """The twin in the pyramid of the slide, as napari takes layers.

    Args:
        store: The slide.
        twin: The other one's store.
        row: What the cohort says of the twin.
        passage: From the slide to its twin.
    """
    warped, cache = WarpedSlide(twin, passage.transform), ChunkCache()
    shapes = exact_shapes(store.grid().size_px, store.factors)
    levels = [
        WarpedLevel(warped, store.grid(level), shape, cache) for level, shape in enumerate(shapes)
    ]
    settings: dict[str, Any] = {
        "name": f"{stain_name(row)} {row.slide_id}",
        "rgb": True,
        "multiscale": True,
        "metadata": {METADATA: {"kind": KIND, "slide_id": row.slide_id}},
        **raster_frame(store.header.pixel_mpp),
    }
    return levels, settings, "image"
