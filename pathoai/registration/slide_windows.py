"""What both slides show at one place of the fixed slide, the moving one as the transform has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.registration.structure import structure_of
from pathoai.registration.transform import SlideTransform
from pathoai.store.slide_store import SlideStore

# So near each other, places of a smooth transform lie on a line to a hundredth of a pixel.
_COARSE_PX = 8


@dataclass(frozen=True, eq=False)
class WindowPair:
    """Windows of one raster over the fixed slide.

    Args:
        fixed: The H&E slide.
        moving: The restained slide.
        mpp: Scale of the raster, µm.
    """

    fixed: SlideStore
    moving: SlideStore
    mpp: float

    def read(
        self, transform: SlideTransform, x_px: int, y_px: int, size_px: Size
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The structure that both slides show in a window.

        Args:
            transform: From the fixed slide to the moving one.
            x_px: Left edge, in pixels of the raster; may be negative.
            y_px: Top edge likewise.
            size_px: Size likewise.

        Returns:
            Two planes ``(height, width)`` float32.
        """
        grid = Grid.covering(transform.fixed.size_px, transform.fixed.mpp, self.mpp)
        fixed = structure_of(self.fixed.read_grid(grid, x_px, y_px, size_px))
        return fixed, self._warped(transform, x_px, y_px, size_px)

    def _warped(
        self, transform: SlideTransform, x_px: int, y_px: int, size_px: Size
    ) -> NDArray[np.float32]:
        slide, mpp = transform.moving, self.mpp * transform.scale
        nodes = [
            start + _COARSE_PX * np.arange(-(-length // _COARSE_PX) + 1, dtype=np.float64)
            for start, length in ((x_px, size_px.width), (y_px, size_px.height))
        ]
        # In pixels of a raster over the moving slide, as fine as the window.
        places = transform.raster_to_moving(nodes[0] * self.mpp, nodes[1] * self.mpp) / mpp
        grid = Grid.covering(slide.size_px, slide.mpp, mpp)
        limits = np.array([grid.size_px.width, grid.size_px.height])
        low = np.clip(np.floor(places.min(axis=(0, 1))) - 1, 0, limits).astype(int)
        high = np.clip(np.ceil(places.max(axis=(0, 1))) + 1, 0, limits).astype(int)
        width, height = (high - low).tolist()
        if width < 1 or height < 1:
            return np.zeros((size_px.height, size_px.width), np.float32)
        block = structure_of(
            self.moving.read_grid(grid, int(low[0]), int(low[1]), Size(width, height))
        )
        return _sampled(block, places - low, size_px)


def _sampled(
    block: NDArray[np.float32], nodes: NDArray[np.float64], size_px: Size
) -> NDArray[np.float32]:
    """A block at places known every few pixels' edges, linearly between; 0 outside of it."""
    functional = torch.nn.functional
    height, width = block.shape
    # From pixel edges to grid_sample's -1 to 1, which are edges too.
    coarse = (nodes * (2 / np.array([width, height])) - 1).astype(np.float32)
    planes = torch.from_numpy(coarse).permute(2, 0, 1)[None]
    rows, columns = (
        (torch.arange(length) + 0.5) / _COARSE_PX / (count - 1) * 2 - 1
        for length, count in zip((size_px.height, size_px.width), nodes.shape[:2], strict=True)
    )
    dense = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
    places = functional.grid_sample(planes, dense, align_corners=True).permute(0, 2, 3, 1)
    plane = torch.from_numpy(block)[None, None]
    return np.asarray(functional.grid_sample(plane, places, align_corners=False)[0, 0].numpy())
