"""How many objects lie about each place of a slide: what many nuclei look like from afar.

Frame: the picture's pixels are squares of ``CELL_UM`` from the slide's top left edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Size
from pathoai.heatmap.object_layers import KERNEL_UM
from pathoai.store.object_batches import object_batches

CELL_UM = 20.0
"""Two fifths of the kernel: finer ones would show nothing more."""
_FULL_COLOUR_QUANTILE = 0.99
"""Of the cells with objects: a single dense follicle must not make all else pale."""
_FAINTEST = 0.02

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DensityPicture:
    """A density map.

    Args:
        pixels: ``(H, W, 4)`` uint8, RGBA: the colour of the classes, mixed by their density, the
            more opaque the denser.
        full_per_mm2: Density from which on the colour is full.
    """

    pixels: NDArray[np.uint8]
    full_per_mm2: float


def density_picture(
    objects: Path, slide: Size, mpp: Mpp, colours: Mapping[int, Rgb]
) -> DensityPicture:
    """The density of a slide's objects, by a Gaussian kernel of 50 µm, as in figures.

    Args:
        objects: Their table, read a part at a time.
        slide: Level-0 pixels.
        mpp: Scale of level 0.
        colours: Of the classes, by their index; others are left out.

    Raises:
        StoreError: There is no table, or it is damaged.
    """
    counts = _counts(objects, slide, mpp, tuple(colours))
    total = np.zeros(counts.shape[1:], np.float32)
    mixed = np.zeros((*counts.shape[1:], 3), np.float32)
    for count, rgb in zip(counts, colours.values(), strict=True):
        # Of an ontology's classes a model tells a few.
        if count.any():
            density = _spread(count)
            total += density
            mixed += density[..., None] * np.asarray(rgb, np.float32)
    occupied = total[total > 0]
    full = float(np.quantile(occupied, _FULL_COLOUR_QUANTILE)) if occupied.size else 0.0
    pixels = np.zeros((*total.shape, 4), np.uint8)
    if full > 0:
        opacity = np.clip(total / full, 0, 1)
        opacity[opacity < _FAINTEST] = 0
        pixels[..., :3] = np.rint(mixed / np.maximum(total, 1e-9)[..., None])
        pixels[..., 3] = np.rint(255 * opacity)
    return DensityPicture(pixels, full)


def _counts(objects: Path, slide: Size, mpp: Mpp, classes: tuple[int, ...]) -> NDArray[np.uint16]:
    """Objects per cell, ``(classes, H, W)``, each counted where its centroid lies."""
    height = max(1, int(np.ceil(slide.height * mpp.y / CELL_UM)))
    width = max(1, int(np.ceil(slide.width * mpp.x / CELL_UM)))
    counts = np.zeros((len(classes), height * width), np.uint16)
    for batch in object_batches(objects):
        centroid = shapely.get_coordinates(shapely.centroid(batch.geometry))
        column, row = np.floor(centroid * (mpp.x, mpp.y) / CELL_UM).astype(np.int64).T
        # Outlines end at the border of the canvas, whose last cell is cut.
        cell = np.clip(row, 0, height - 1) * width + np.clip(column, 0, width - 1)
        for position, index in enumerate(classes):
            found, times = np.unique(cell[batch.class_index == index], return_counts=True)
            counts[position, found] += times.astype(np.uint16)
    return counts.reshape(len(classes), height, width)


def _spread(count: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Objects per mm² about each cell."""
    from scipy import ndimage

    per_mm2 = count.astype(np.float32) / np.float32(CELL_UM**2 / 1e6)
    spread = ndimage.gaussian_filter(per_mm2, KERNEL_UM / CELL_UM, mode="constant")
    return np.asarray(spread, np.float32)
