"""What tiles are wanted, independent of any slide."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.errors import InvalidValueError
from pathoai.geometry import LARGEST_MPP_UM, SMALLEST_MPP_UM


@dataclass(frozen=True, slots=True)
class TileSpec:
    """Square tiles at a scale.

    Args:
        size_px: Side of a tile, in pixels at ``mpp``.
        mpp: Scale of the tiles, µm per pixel.
        overlap_px: What neighbours share, in pixels at ``mpp``.
        min_tissue_fraction: Tiles with less tissue are left out; 0 keeps every tile that
            touches tissue.
    """

    size_px: int = 256
    mpp: float = 0.5
    overlap_px: int = 0
    min_tissue_fraction: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.size_px < 1:
            raise InvalidValueError("tile size", found=self.size_px, allowed="1 pixel or more")
        if not SMALLEST_MPP_UM <= self.mpp <= LARGEST_MPP_UM:
            raise InvalidValueError(
                "tile mpp", found=self.mpp, allowed=f"{SMALLEST_MPP_UM:g} to {LARGEST_MPP_UM:g} µm"
            )
        if not 0 <= self.overlap_px < self.size_px:
            raise InvalidValueError(
                "tile overlap", found=self.overlap_px, allowed=f"0 to {self.size_px - 1} pixels"
            )
        if not 0 <= self.min_tissue_fraction <= 1:
            raise InvalidValueError(
                "smallest tissue fraction", found=self.min_tissue_fraction, allowed="0 to 1"
            )

    @property
    def stride_px(self) -> int:
        """Distance between neighbours, in pixels at ``mpp``."""
        return self.size_px - self.overlap_px

    @property
    def key(self) -> str:
        """A short name for files, e.g. ``256px_0.5um_overlap64``."""
        return f"{self.size_px}px_{self.mpp:g}um_overlap{self.overlap_px}"
