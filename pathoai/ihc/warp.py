"""Pixels of the restained slide where the H&E slide has its own, in batches on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pathoai.geometry import Grid, Size
from pathoai.registration.transform import SlideTransform
from pathoai.store.slide_store import SlideStore

CELL_PX = 8
"""The transform is computed once per cell of so many pixels of the label, and linear between."""
_BLOCK_CELLS = 64
_BATCH = 8
_WHITE = 255
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class MovingCells:
    """Where the cells of a window of the H&E slide lie on the restained one.

    Args:
        places: ``(R + 2, C + 2, 2)`` float64: level-0 pixels (x, y) of the restained slide under
            the centres of cells; one row and column more on each side, to interpolate to the edge.
        size_px: Size of the window, in pixels of its raster.
    """

    places: NDArray[np.float64]
    size_px: Size

    @classmethod
    def of_window(
        cls, transform: SlideTransform, grid: Grid, rows: slice, columns: slice
    ) -> MovingCells:
        """For a window of a raster over the H&E slide.

        Args:
            transform: From the H&E slide to the restained one.
            grid: The raster.
            rows: Rows of the window, in its pixels.
            columns: Columns likewise.
        """
        mpp = transform.fixed.mpp
        y_um = _cell_centres(rows) * grid.downsample_y * mpp.y
        x_um = _cell_centres(columns) * grid.downsample_x * mpp.x
        places = transform.moving.to_px(transform.raster_to_moving(x_um, y_um))
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        return cls(places, size)

    def plane(self, values: NDArray[_Value], grid: Grid, outside: int) -> NDArray[_Value]:
        """A coarse plane of the restained slide, at the pixels of the window.

        Args:
            values: ``(h, w)``.
            grid: Its raster over the restained slide.
            outside: Value beyond its edges.

        Returns:
            ``(H, W)`` of the same type, constant in each cell.
        """
        inner = self.places[1:-1, 1:-1]
        column = np.floor(inner[..., 0] / grid.downsample_x).astype(np.int64)
        row = np.floor(inner[..., 1] / grid.downsample_y).astype(np.int64)
        height, width = values.shape
        there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = np.full(there.shape, outside, values.dtype)
        found[there] = values[row[there], column[there]]
        return self._spread(found)

    def _spread(self, cells: NDArray[_Value]) -> NDArray[_Value]:
        """From cells to pixels."""
        pixels = np.repeat(np.repeat(cells, CELL_PX, axis=0), CELL_PX, axis=1)
        return pixels[: self.size_px.height, : self.size_px.width]

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of cells of the blocks that pixels are fetched in."""
        rows, columns = self.places.shape[0] - 2, self.places.shape[1] - 2
        for top in range(0, rows, _BLOCK_CELLS):
            for left in range(0, columns, _BLOCK_CELLS):
                yield (
                    slice(top, min(top + _BLOCK_CELLS, rows)),
                    slice(left, min(left + _BLOCK_CELLS, columns)),
                )


def _cell_centres(span: slice) -> NDArray[np.float64]:
    cells = -(-(span.stop - span.start) // CELL_PX)
    return np.asarray(span.start + (np.arange(-1, cells + 1) + 0.5) * CELL_PX)


def warped(
    moving: SlideStore,
    cells: MovingCells,
    grid_mpp: float,
    wanted: NDArray[np.bool_],
    device: torch.device,
) -> torch.Tensor:
    """The restained slide on the raster of the H&E slide's label.

    A pixel is the mean of as many points as the slide's level has pixels in it, each read linearly.

    Args:
        moving: The restained slide.
        cells: Where the window lies on it.
        grid_mpp: Scale of the window, µm per pixel.
        wanted: ``(H, W)`` bool; blocks without any are left white.
        device: Where it is computed.

    Returns:
        ``(3, H, W)`` float32 on the device, 0 to 1; white beyond the restained slide.
    """
    level = moving.level_for(grid_mpp / moving.slide.mpp.mean)
    finer = max(1, round(grid_mpp / (moving.slide.mpp.mean * moving.grid(level).downsample_x)))
    size = cells.size_px
    out = torch.ones(3, size.height, size.width, device=device)
    batch: list[_Block] = []
    at_once = max(1, _BATCH // finer**2)
    for rows, columns in cells.blocks():
        top, left = rows.start * CELL_PX, columns.start * CELL_PX
        height = min(rows.stop * CELL_PX, size.height) - top
        width = min(columns.stop * CELL_PX, size.width) - left
        if wanted[top : top + height, left : left + width].any():
            inside = out[:, top : top + height, left : left + width]
            nodes = cells.places[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
            batch.append(_Block.read(moving, level, nodes, inside))
        if len(batch) >= at_once:
            _resample(batch, finer, device)
            batch = []
    if batch:
        _resample(batch, finer, device)
    return out


@dataclass(frozen=True, eq=False)
class _Block:
    """A part of the window, with the pixels of the restained slide that it needs.

    Args:
        source: ``(h, w, 3)`` uint8, pixels of a level.
        nodes: ``(r + 2, c + 2, 2)`` float32, places in pixels of the source.
        target: ``(3, H, W)`` view of the result.
    """

    source: NDArray[np.uint8]
    nodes: NDArray[np.float32]
    target: torch.Tensor

    @classmethod
    def read(
        cls, moving: SlideStore, level: int, places: NDArray[np.float64], target: torch.Tensor
    ) -> _Block:
        grid = moving.grid(level)
        nodes = places / (grid.downsample_x, grid.downsample_y)
        # What lies beyond the slide is white however far: reading stays bounded by the slide.
        limit = np.array([grid.size_px.width, grid.size_px.height])
        low = np.clip(np.floor(nodes.min(axis=(0, 1))) - 1, -2, limit)
        high = np.clip(np.ceil(nodes.max(axis=(0, 1))) + 1, low + 2, np.maximum(limit + 2, low + 2))
        (x, y), (wide, tall) = low.astype(int).tolist(), (high - low).astype(int).tolist()
        source = moving.read(level, x, y, Size(wide, tall))
        return cls(source, (nodes - low).astype(np.float32), target)


def _resample(batch: list[_Block], finer: int, device: torch.device) -> None:
    """Fill the targets of some blocks at once."""
    tall = max(block.source.shape[0] for block in batch)
    wide = max(block.source.shape[1] for block in batch)
    sources = np.full((len(batch), tall, wide, 3), _WHITE, np.uint8)
    rows = max(block.nodes.shape[0] for block in batch)
    columns = max(block.nodes.shape[1] for block in batch)
    nodes = np.zeros((len(batch), rows, columns, 2), np.float32)
    for place, block in enumerate(batch):
        height, width = block.source.shape[:2]
        sources[place, :height, :width] = block.source
        high, broad = block.nodes.shape[:2]
        nodes[place, :high, :broad] = block.nodes
    pixels = torch.from_numpy(sources).to(device).permute(0, 3, 1, 2).float().div_(_WHITE)
    places = _between(torch.from_numpy(nodes).to(device), finer)
    # Pixel centres are at halves; grid_sample wants -1 to 1 from edge to edge.
    scale = torch.tensor([wide, tall], device=device)
    found = functional.grid_sample(
        pixels, places / scale * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
    if finer > 1:
        found = functional.avg_pool2d(found, finer)
    for place, block in enumerate(batch):
        height, width = block.target.shape[1:]
        block.target.copy_(found[place, :, :height, :width])


def _between(nodes: torch.Tensor, finer: int) -> torch.Tensor:
    """From places of cells ``(N, r + 2, c + 2, 2)`` to those of points, ``finer`` to a pixel."""
    rows, columns = nodes.shape[1:3]
    step = CELL_PX * finer
    # The centres of a cell's points lie as `interpolate` has them; the outer cells are cut off.
    dense = functional.interpolate(
        nodes.permute(0, 3, 1, 2),
        size=(rows * step, columns * step),
        mode="bilinear",
        align_corners=False,
    )
    return dense[:, :, step:-step, step:-step].permute(0, 2, 3, 1)
