"""How many objects lie about each place of a slide: what many nuclei look like from afar.

Frame: the picture's pixels are squares of ``CELL_UM`` from the slide's top left edge.
"""

from __future__ import annotations

import math
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
    shape = (_cells(slide.height * mpp.y), _cells(slide.width * mpp.x))
    counts = _counts(objects, shape, mpp)
    total = np.zeros(shape, np.float32)
    mixed = np.zeros((*shape, 3), np.float32)
    for index in sorted(counts.keys() & colours.keys()):
        density = _spread(counts[index])
        total += density
        for channel, value in enumerate(colours[index]):
            mixed[..., channel] += density * np.float32(value)
    occupied = total[total > 0]
    full = float(np.quantile(occupied, _FULL_COLOUR_QUANTILE)) if occupied.size else 0.0
    pixels = np.zeros((*total.shape, 4), np.uint8)
    if full > 0:
        # In place: a slide has millions of cells.
        mixed /= np.maximum(total, 1e-9)[..., None]
        pixels[..., :3] = np.rint(mixed, out=mixed)
        total /= full
        total[total < _FAINTEST] = 0
        pixels[..., 3] = np.rint(255 * np.minimum(total, 1))
    return DensityPicture(pixels, full)


def _cells(length_um: float) -> int:
    return max(1, math.ceil(length_um / CELL_UM))


def _counts(objects: Path, shape: tuple[int, int], mpp: Mpp) -> dict[int, NDArray[np.uint16]]:
    """Objects per cell ``(H, W)`` of each class that there is, each where its centroid lies."""
    height, width = shape
    counts: dict[int, NDArray[np.uint16]] = {}
    for batch in object_batches(objects):
        centroid = shapely.get_coordinates(shapely.centroid(batch.geometry))
        column, row = np.floor(centroid * (mpp.x, mpp.y) / CELL_UM).astype(np.int64).T
        # Outlines end at the border of the canvas, whose last cell is cut.
        cell = np.clip(row, 0, height - 1) * width + np.clip(column, 0, width - 1)
        for index in np.unique(batch.class_index).tolist():
            found, times = np.unique(cell[batch.class_index == index], return_counts=True)
            count = counts.setdefault(index, np.zeros(height * width, np.uint16))
            count[found] += times.astype(np.uint16)
    return {index: count.reshape(shape) for index, count in counts.items()}


def _spread(count: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Objects per mm² about each cell."""
    from scipy import ndimage

    per_mm2 = count.astype(np.float32) / np.float32(CELL_UM**2 / 1e6)
    spread = ndimage.gaussian_filter(per_mm2, KERNEL_UM / CELL_UM, mode="constant")
    return np.asarray(spread, np.float32)
