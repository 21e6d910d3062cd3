"""Scale and position: the one module that owns every conversion between frames.

The reference frame is **level-0 pixels**: OpenSlide's, origin at the top left of the file's full
canvas, x to the right, y down, bounds offset included. A name without another frame in it is in
level-0 pixels; every other frame is named (``_um``, ``size_px`` at a stated mpp, ``level_2_…``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pathoai.errors import ImplausibleMppError, InvalidValueError

SMALLEST_MPP_UM = 0.05
LARGEST_MPP_UM = 20.0
LARGEST_ANISOTROPY = 0.05


@dataclass(frozen=True, slots=True)
class Mpp:
    """Micrometres per pixel along x and y.

    Raises:
        ImplausibleMppError: Outside 0.05-20 µm, or x and y more than 5 % apart: no scanner of
            histology gives such a scale, so a unit or a tag is wrong.
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        """Refuse what cannot be true."""
        for axis, value in (("x", self.x), ("y", self.y)):
            if not (math.isfinite(value) and SMALLEST_MPP_UM <= value <= LARGEST_MPP_UM):
                raise ImplausibleMppError(
                    "implausible scale",
                    where=f"mpp along {axis}",
                    found=f"{value:g} µm per pixel",
                    allowed=f"{SMALLEST_MPP_UM:g} to {LARGEST_MPP_UM:g} µm per pixel",
                    remedy="state the true scale in the mpp column of the cohort file or by --mpp",
                )
        if abs(self.x / self.y - 1) > LARGEST_ANISOTROPY:
            raise ImplausibleMppError(
                "pixels are not square",
                found=f"{self.x:g} × {self.y:g} µm per pixel",
                allowed=f"axes within {LARGEST_ANISOTROPY:.0%} of each other",
                remedy="state the true scale in the mpp column of the cohort file or by --mpp",
            )

    @classmethod
    def square(cls, value: float) -> Mpp:
        """The same scale along both axes."""
        return cls(value, value)

    @property
    def mean(self) -> float:
        """Geometric mean of both axes, µm per pixel."""
        return math.sqrt(self.x * self.y)

    @property
    def pixel_area_um2(self) -> float:
        """Area of one pixel, µm²."""
        return self.x * self.y


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a raster, in pixels of a frame that the name of the variable states."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse empty rasters."""
        if self.width < 1 or self.height < 1:
            raise InvalidValueError(
                "a raster needs at least one pixel",
                found=f"{self.width} × {self.height}",
                allowed="positive integers",
            )

    def scaled_down(self, downsample: float) -> Size:
        """The smallest raster that covers this one at a coarser scale (or finer, below 1)."""
        # The tolerance keeps 2048 / (0.5 / 0.25) at 1024 when the ratio is off by rounding.
        return Size(
            max(1, math.ceil(self.width / downsample - 1e-6)),
            max(1, math.ceil(self.height / downsample - 1e-6)),
        )


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in level-0 pixels, origin at the top left; fractions of pixels are allowed."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        """Refuse empty and unbounded rectangles."""
        values = (self.x, self.y, self.width, self.height)
        if not all(math.isfinite(v) for v in values) or self.width <= 0 or self.height <= 0:
            raise InvalidValueError(
                "a region needs a finite position and a positive size",
                found=f"x={self.x}, y={self.y}, width={self.width}, height={self.height}",
            )

    @property
    def right(self) -> float:
        """The x of the right edge (excluded)."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of the bottom edge (excluded)."""
        return self.y + self.height

    def intersects(self, other: Region) -> bool:
        """True where the two share an area (touching edges do not)."""
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )

    def expanded(self, margin: float) -> Region:
        """The rectangle grown by a margin on every side."""
        return Region(
            self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster laid over the slide: pixel (0, 0) starts at the level-0 origin.

    Args:
        size_px: Raster size, in pixels of this grid.
        downsample_x: Level-0 pixels per pixel of this grid along x.
        downsample_y: The same along y.
    """

    size_px: Size
    downsample_x: float
    downsample_y: float

    @classmethod
    def covering(cls, slide_size: Size, slide_mpp: Mpp, mpp: float) -> Grid:
        """The raster of square pixels of ``mpp`` µm that covers a whole slide."""
        downsample_x, downsample_y = mpp / slide_mpp.x, mpp / slide_mpp.y
        return cls(
            Size(
                Size(slide_size.width, 1).scaled_down(downsample_x).width,
                Size(1, slide_size.height).scaled_down(downsample_y).height,
            ),
            downsample_x,
            downsample_y,
        )

    def coarser(self, factor: float) -> Grid:
        """The grid whose pixels span ``factor`` × ``factor`` pixels of this one; finer below 1."""
        return Grid(
            self.size_px.scaled_down(factor),
            self.downsample_x * factor,
            self.downsample_y * factor,
        )

    def region(self, x_px: float, y_px: float, width_px: float, height_px: float) -> Region:
        """A rectangle of this grid's pixels, in level-0 pixels."""
        return Region(
            x_px * self.downsample_x,
            y_px * self.downsample_y,
            width_px * self.downsample_x,
            height_px * self.downsample_y,
        )

    def affine_to_level_0(self) -> tuple[float, float, float, float, float, float]:
        """Shapely's affine parameters that carry this grid's pixel edges to level-0 pixels."""
        return (self.downsample_x, 0.0, 0.0, self.downsample_y, 0.0, 0.0)

    def affine_from_level_0(self) -> tuple[float, float, float, float, float, float]:
        """Shapely's affine parameters that carry level-0 pixels to this grid's pixel edges."""
        return (1 / self.downsample_x, 0.0, 0.0, 1 / self.downsample_y, 0.0, 0.0)
