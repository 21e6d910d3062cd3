"""The tiles of one slide, in columns: no Python object per tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.geometry import Grid, Region
from pathoai.slide.reader import SlideInfo
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The tiles of one slide that hold tissue.

    Args:
        spec: What was wanted.
        grid: The raster at ``spec.mpp`` on which the tiles lie.
        origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of ``grid``,
            row by row.
        tissue_fraction: ``(N,)`` float32.
    """

    spec: TileSpec
    grid: Grid
    origins_px: NDArray[np.int64]
    tissue_fraction: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        if self.origins_px.shape != (len(self.tissue_fraction), 2):
            raise InvalidValueError("tile columns differ in length", found=self.origins_px.shape)

    @classmethod
    def over_tissue(cls, spec: TileSpec, slide: SlideInfo, tissue: TissueMask) -> TileGrid:
        """Lay tiles over a slide and keep those with enough tissue.

        Raises:
            NoTissueError: No tile has enough.
        """
        grid = slide.grid(spec.mpp)
        x = _starts(grid.size_px.width, spec)
        y = _starts(grid.size_px.height, spec)
        origins = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        fraction = tissue.fraction(
            origins[:, 0] * grid.downsample_x,
            origins[:, 1] * grid.downsample_y,
            (spec.size_px * grid.downsample_x, spec.size_px * grid.downsample_y),
        )
        keep = (fraction >= spec.min_tissue_fraction) & (fraction > 0)
        if not keep.any():
            raise NoTissueError(
                "no tile holds enough tissue",
                where=slide.slide_id or "slide",
                found=f"at most {fraction.max():.1%}",
                allowed=f"{spec.min_tissue_fraction:.1%} of a tile or more",
                remedy="find more tissue with another preset (`--tissue`), or lower `--min-tissue` "
                "where you tile",
            )
        return cls(spec, grid, origins[keep], fraction[keep])

    def without(self, regions: Sequence[Region]) -> TileGrid:
        """The tiles that share no area with any of some rectangles.

        Raises:
            NoTissueError: None is left.
        """
        keep = clear_of(regions, self.grid, self.origins_px, self.spec.size_px)
        if not keep.any():
            raise NoTissueError(
                "every tile with tissue touches a damaged place",
                found=f"{len(regions)} damaged places",
                remedy="scan or copy the slide again",
            )
        if keep.all():
            return self
        return TileGrid(self.spec, self.grid, self.origins_px[keep], self.tissue_fraction[keep])

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tissue_fraction)

    def region(self, index: int) -> Region:
        """Where a tile lies, in level-0 pixels."""
        x, y = self.origins_px[index]
        return self.grid.region(float(x), float(y), self.spec.size_px, self.spec.size_px)


def clear_of(
    regions: Sequence[Region], grid: Grid, origins_px: NDArray[np.int64], size_px: int
) -> NDArray[np.bool_]:
    """Which squares of a raster share no area with any of some rectangles, ``(N,)``.

    Args:
        regions: The rectangles, in level-0 pixels.
        grid: The raster.
        origins_px: ``(N, 2)`` x and y of each square's top left, in pixels of ``grid``.
        size_px: Side of the squares, likewise.
    """
    clear = np.ones(len(origins_px), np.bool_)
    left, top = (origins_px * (grid.downsample_x, grid.downsample_y)).T
    width, height = size_px * grid.downsample_x, size_px * grid.downsample_y
    for region in regions:
        apart_x = (left >= region.right) | (left + width <= region.x)
        apart_y = (top >= region.bottom) | (top + height <= region.y)
        clear &= apart_x | apart_y
    return clear


def _starts(length_px: int, spec: TileSpec) -> NDArray[np.int64]:
    """Starts that cover the whole length; the last tile may reach past the edge."""
    count = max(1, -(-(length_px - spec.overlap_px) // spec.stride_px))
    return np.arange(count, dtype=np.int64) * spec.stride_px
