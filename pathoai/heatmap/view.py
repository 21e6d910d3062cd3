"""Which part of a slide a figure shows, and at which scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Mpp, Region, Size


@dataclass(frozen=True, slots=True)
class View:
    """A raster over a part of a slide.

    Args:
        region: The part.
        size_px: Of the picture.
        slide_mpp: Of level 0.
    """

    region: Region
    size_px: Size
    slide_mpp: Mpp

    @property
    def downsample_x(self) -> float:
        """Level-0 pixels per pixel of the picture, along x."""
        return self.region.width / self.size_px.width

    @property
    def downsample_y(self) -> float:
        """The same along y."""
        return self.region.height / self.size_px.height

    @property
    def mpp(self) -> float:
        """Scale of the picture, µm per pixel along x, as the scale bar has it."""
        return self.downsample_x * self.slide_mpp.x

    @property
    def area_mm2(self) -> float:
        """Area that the picture shows, mm²."""
        return self.region.width * self.region.height * self.slide_mpp.pixel_area_um2 / 1e6

    def rows(self, band: slice) -> Region:
        """Where some rows of the picture lie."""
        top = self.region.y + band.start * self.downsample_y
        height = (band.stop - band.start) * self.downsample_y
        return Region(self.region.x, top, self.region.width, height)

    def columns_on(self, grid: Grid, per_pixel: int = 1) -> NDArray[np.int64]:
        """Columns of a grid under points spread evenly over the picture's columns.

        Returns:
            ``(per_pixel × width,)`` int64.
        """
        count = self.size_px.width * per_pixel
        x = self.region.x + (np.arange(count) + 0.5) * self.region.width / count
        return _whole(x / grid.downsample_x, grid.size_px.width)

    def rows_on(self, grid: Grid, per_pixel: int = 1) -> NDArray[np.int64]:
        """The same for rows."""
        count = self.size_px.height * per_pixel
        y = self.region.y + (np.arange(count) + 0.5) * self.region.height / count
        return _whole(y / grid.downsample_y, grid.size_px.height)

    def to_picture(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points ``(N, 2)`` in level-0 pixels as pixels of the picture, edges at whole numbers."""
        corner = np.array([self.region.x, self.region.y])
        return np.asarray((xy - corner) / np.array([self.downsample_x, self.downsample_y]))


def _whole(position: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.clip(np.floor(position).astype(np.int64), 0, count - 1)


def region_within(region: Region | None, slide: Size) -> Region:
    """The region, or all of the slide without one.

    Raises:
        InvalidValueError: It reaches past the slide.
    """
    if region is None:
        return Region(0, 0, slide.width, slide.height)
    if min(region.x, region.y) < 0 or region.right > slide.width or region.bottom > slide.height:
        raise InvalidValueError(
            "the region reaches past the slide",
            where="--region",
            found=f"x {region.x:g} to {region.right:g}, y {region.y:g} to {region.bottom:g}",
            allowed=f"x 0 to {slide.width}, y 0 to {slide.height} (level-0 pixels)",
        )
    return region
