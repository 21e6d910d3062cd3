"""The slide itself under a figure's map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.heatmap.view import View
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import TissueMask

_WHITE = 255
GLASS_FADES_UM = (16.0, 60.0)
"""From the tissue, which its mask knows to some micrometres; glass fades to white in between."""
MAP_FADES_UM = (2.0, 20.0)
_BAND_ROWS = 256
_SOURCE_PX = 1 << 22
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear light (ITU-R BT.709); near enough for a picture that only lies beneath a map."""


@dataclass(frozen=True)
class Surroundings:
    """Tissue, what it encloses, and a margin that fades: all that may not be painted over.

    Args:
        weight: ``(H, W)`` float32: 1 where the slide is shown, 0 where it is not.
        grid: Its raster.
    """

    weight: NDArray[np.float32]
    grid: Grid

    @classmethod
    def of(cls, tissue: TissueMask, fades_um: tuple[float, float]) -> Surroundings:
        """About a tissue mask, fading from one distance to another."""
        from scipy import ndimage

        weight = np.empty(tissue.mask.shape, np.float32)
        reach = math.ceil(fades_um[1] / tissue.mpp) + 1
        # In bands: distances in a whole slide's mask would take thirty times its memory.
        for top in range(0, len(weight), _BAND_ROWS):
            first = max(0, top - reach)
            rows = tissue.mask[first : top + _BAND_ROWS + reach]
            faded = _faded(rows, tissue.mpp, fades_um)[top - first :]
            weight[top : top + _BAND_ROWS] = faded[:_BAND_ROWS]
        # Fat and lumina within tissue are no glass.
        weight[ndimage.binary_fill_holes(weight == 1)] = 1
        return cls(weight, tissue.grid)

    def under(self, view: View, band: slice) -> NDArray[np.float32]:
        """The weight at the pixel centres of some rows, ``(rows, width)`` float32."""
        from scipy import ndimage

        region = view.region
        y = region.y + (np.arange(band.start, band.stop) + 0.5) * view.downsample_y
        x = region.x + (np.arange(view.size_px.width) + 0.5) * view.downsample_x
        # Centres of the mask's pixels are whole numbers here; between them it is interpolated.
        at = np.meshgrid(
            y / self.grid.downsample_y - 0.5, x / self.grid.downsample_x - 0.5, indexing="ij"
        )
        return np.asarray(ndimage.map_coordinates(self.weight, at, order=1, mode="nearest"))


def _faded(
    mask: NDArray[np.bool_], mpp: float, fades_um: tuple[float, float]
) -> NDArray[np.float64]:
    """1 up to one distance from the mask, 0 from another on."""
    from scipy import ndimage

    if not mask.any():
        return np.zeros(mask.shape)
    (kept, gone), distance = fades_um, ndimage.distance_transform_edt(~mask)
    return np.asarray(np.clip((gone - distance * mpp) / (gone - kept), 0, 1))


def bands_of(store: SlideStore, view: View) -> list[slice]:
    """Rows of a picture in parts whose source pixels are few enough to be read at once."""
    grid = store.grid(store.level_for(view.downsample_x))
    columns = max(view.size_px.width, view.region.width / grid.downsample_x)
    rows = max(1.0, view.downsample_y / grid.downsample_y)
    step = max(1, int(_SOURCE_PX / columns / rows))
    height = view.size_px.height
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def slide_pixels(
    store: SlideStore, view: View, band: slice, surroundings: Surroundings | None
) -> NDArray[np.uint8]:
    """Some rows of the picture, ``(rows, width, 3)`` uint8.

    Args:
        store: The slide.
        view: The picture.
        band: The rows.
        surroundings: Where the slide is shown, white elsewhere; None shows all of it.
    """
    size = Size(view.size_px.width, band.stop - band.start)
    pixels = store.read_region(view.rows(band), size)
    if surroundings is None:
        return pixels
    missing = (_WHITE - pixels.astype(np.float32)) * surroundings.under(view, band)[..., None]
    return np.asarray(_WHITE - np.rint(missing), dtype=np.uint8)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same without colour, so that a map's own colours are those of its legend."""
    luminance = np.rint(pixels @ _LUMINANCE).astype(np.uint8)
    return np.repeat(luminance[..., None], 3, axis=2)
