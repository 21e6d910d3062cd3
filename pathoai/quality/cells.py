"""The coarse grid on which quality is judged, and what is measured in each of its cells.

A cell is about 16 × 16 µm, a nucleus or two. It is measured at about 2 µm per pixel, a sixteenth
of the pixels of 0.5 µm; its focus at half of that, since at 2 µm round nuclei on pale ground look
out of focus, however sharp they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pathoai.errors import StoreError
from pathoai.geometry import Grid
from pathoai.store.header import StoreHeader

_CELL_UM = 16.0
_WORKING_MPP_UM = 2.0
_COARSEST_STORE_MPP_UM = 4.0
_FOCUS_PX_PER_PX = 2


@dataclass(frozen=True, slots=True)
class CellGrid:
    """Where the cells lie on a slide.

    Args:
        grid: The raster of cells.
        factor: Store pixels per cell, a power of two.
        cell_um: Side of a cell, µm.
        cell_px: Side of a cell in the pixels that are measured.
    """

    grid: Grid
    factor: int
    cell_um: float
    cell_px: int

    @classmethod
    def of(cls, header: StoreHeader) -> CellGrid:
        """The cells of a store, the same for every store of the same scale.

        Raises:
            StoreError: The store is too coarse to judge anything.
        """
        if header.mpp > _COARSEST_STORE_MPP_UM:
            raise StoreError(
                "the store is too coarse for quality control",
                where=header.slide_id,
                found=f"{header.mpp:g} µm per pixel",
                allowed=f"{_COARSEST_STORE_MPP_UM:g} µm per pixel or finer",
                remedy="tile the slide again with a finer --mpp",
            )
        factor = 2 ** round(math.log2(_CELL_UM / header.mpp))
        cell_um = factor * header.mpp
        # Never finer than the store: enlarged pixels would all look out of focus.
        working_mpp = max(_WORKING_MPP_UM, header.mpp)
        grid = header.grid.coarser(factor) if factor > 1 else header.grid
        return cls(grid, factor, cell_um, max(1, round(cell_um / working_mpp)))

    @property
    def working_mpp(self) -> float:
        """Scale of the pixels that are measured, µm per pixel."""
        return self.cell_um / self.cell_px

    @property
    def shows_focus(self) -> bool:
        """Whether the store has the detail by which focus is judged: about 1 µm per pixel."""
        # Rounding of a scale is no enlargement.
        return self.cell_um / self.factor <= 1.001 * self.working_mpp / _FOCUS_PX_PER_PX

    @property
    def detail(self) -> int:
        """Pixels to read along each side of one that is measured: 2 where focus is judged."""
        return _FOCUS_PX_PER_PX if self.shows_focus else 1


@dataclass(frozen=True, slots=True)
class Measurements:
    """What is measured in each cell; all arrays float32.

    Args:
        density: ``(3, H, W)`` mean optical density (natural logarithm) of red, green and blue.
        fine: ``(H, W)`` energy of detail finer than 1 µm, as far as the scale shows it.
        coarse: ``(H, W)`` energy of detail twice as coarse.
        rim: ``(H, W)`` share of pixels on thin dark lines without colour.
        black: ``(H, W)`` share of black pixels.
    """

    density: NDArray[np.float32]
    fine: NDArray[np.float32]
    coarse: NDArray[np.float32]
    rim: NDArray[np.float32]
    black: NDArray[np.float32]

    @classmethod
    def stacked(cls, planes: NDArray[np.float32]) -> Measurements:
        """From ``(7, H, W)`` in the order of the fields."""
        return cls(planes[:3], planes[3], planes[4], planes[5], planes[6])


def cell_means(planes: torch.Tensor, cell_px: int) -> torch.Tensor:
    """Means over cells: ``(N, C, H, W)`` to ``(N, C, H / cell_px, W / cell_px)``."""
    return functional.avg_pool2d(planes, cell_px)


def gaussian(planes: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur each plane; borders are mirrored.

    Args:
        planes: ``(N, C, H, W)`` floating point.
        sigma_px: Standard deviation.

    Returns:
        The same shape, type and device.
    """
    reach = math.ceil(3 * sigma_px)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (place / sigma_px) ** 2)
    kernel = (weights / weights.sum()).to(planes.device, planes.dtype)
    count = planes.shape[1]
    wide = functional.pad(planes, (reach, reach, reach, reach), mode="reflect")
    # TensorFloat-32 would keep three digits of the differences that detail is made of.
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        rows = functional.conv2d(
            wide, kernel.view(1, 1, 1, -1).expand(count, -1, -1, -1), groups=count
        )
        return functional.conv2d(
            rows, kernel.view(1, 1, -1, 1).expand(count, -1, -1, -1), groups=count
        )
