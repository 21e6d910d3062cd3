"""How far an alignment can be believed, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid
from pathoai.registration.transform import PlacedSlide
from pathoai.tissue.mask import at_centres


class TileState(IntEnum):
    """What is said of a tile."""

    NO_TISSUE = 0
    BELIEVABLE = 1
    REFUSED = 2


@dataclass(frozen=True, eq=False)
class RegistrationQuality:
    """Square tiles over the fixed slide, from its top left.

    Args:
        tile_um: Their side.
        grid: Their raster over the fixed slide; one pixel a tile.
        similarity: ``(R, C)`` float32, local correlation of what both slides show, -1 to 1; NaN
            where nothing was compared.
        residual_um: ``(R, C)`` float32: how far a match in one direction and one in the other miss
            each other, µm; NaN likewise.
        state: ``(R, C)`` uint8, of `TileState`.

    Raises:
        InvalidValueError: Planes of different sizes, or states that are none.
    """

    tile_um: float
    grid: Grid
    similarity: NDArray[np.float32]
    residual_um: NDArray[np.float32]
    state: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse planes that do not fit each other."""
        shape = (self.grid.size_px.height, self.grid.size_px.width)
        shapes = {self.similarity.shape, self.residual_um.shape, self.state.shape}
        if shapes != {shape} or not self.tile_um > 0 or self.state.max(initial=0) > max(TileState):
            raise InvalidValueError(
                "malformed quality of a registration",
                found=f"{', '.join(map(str, sorted(shapes)))}, tiles of {self.tile_um} µm",
                allowed=f"planes of {shape}, states {', '.join(str(int(s)) for s in TileState)}",
            )

    @property
    def believable(self) -> NDArray[np.bool_]:
        """Tiles that can be believed, ``(R, C)`` bool."""
        return np.asarray(self.state == TileState.BELIEVABLE)

    @property
    def believable_share(self) -> float:
        """Share of the tissue's tiles, 0 to 1."""
        tissue = int(np.count_nonzero(self.state != TileState.NO_TISSUE))
        return int(np.count_nonzero(self.believable)) / max(1, tissue)

    @property
    def median_residual_um(self) -> float:
        """Of the tiles that can be believed; NaN without any."""
        found = self.residual_um[self.believable]
        return float(np.median(found)) if len(found) else float("nan")

    def on_grid(self, grid: Grid, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Where the alignment can be believed, at the pixel centres of a finer raster.

        Args:
            grid: The raster, over the fixed slide.
            rows: Rows of the block, in pixels of ``grid``.
            columns: Columns likewise.

        Returns:
            ``(h, w)`` bool.
        """
        return at_centres(self.believable, self.grid, grid, rows, columns)


def tile_grid(slide: PlacedSlide, tile_um: float) -> Grid:
    """The raster of square tiles that covers a slide."""
    return Grid.covering(slide.size_px, slide.mpp, tile_um)
