"""Where a point of one slide lies on another slide of the same section, in both directions.

A slide's micrometres are its level-0 pixels times its mpp: origin top left of the canvas, pixel
edges at integers. A transform is a smooth displacement on the H&E slide, then an affine map to the
other one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.registration.displacement import Displacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry

    from pathoai.store.slide_store import SlideStore

Points = NDArray[np.float64]
"""``(..., 2)`` float64, x and y."""

# Between two points this far apart, an arc of a deformation of 8 µm on 200 µm rises by 0.03 µm.
_LONGEST_EDGE_UM = 5.0
_SMALLEST_SCALE, _LARGEST_SCALE = 0.1, 10.0
_MOST_STRETCHED = 3.0


@dataclass(frozen=True, slots=True)
class PlacedSlide:
    """A slide's frame.

    Args:
        slide_id: Coded id.
        mpp: Scale of its level-0 pixels.
        size_px: Its canvas, level-0 pixels.
        identity: Hash of the store whose pixels were aligned.
    """

    slide_id: str
    mpp: Mpp
    size_px: Size
    identity: str

    @classmethod
    def of_store(cls, store: SlideStore) -> PlacedSlide:
        """The frame of a store's slide."""
        slide = store.slide
        return cls(slide.slide_id, slide.mpp, slide.size, store.identity)

    @property
    def size_um(self) -> tuple[float, float]:
        """Width and height of the canvas, µm."""
        return self.size_px.width * self.mpp.x, self.size_px.height * self.mpp.y

    @property
    def diagonal_um(self) -> float:
        """Diagonal of the canvas, µm."""
        return math.hypot(*self.size_um)

    def to_um(self, points_xy: Points) -> Points:
        """Level-0 pixels ``(..., 2)`` as µm."""
        return np.asarray(points_xy, np.float64) * [self.mpp.x, self.mpp.y]

    def to_px(self, points_um: Points) -> Points:
        """Micrometres ``(..., 2)`` as level-0 pixels."""
        return np.asarray(points_um, np.float64) / [self.mpp.x, self.mpp.y]


class PointMap(ABC):
    """Points, outlines and rasters between two slides, whichever of them is looked at from.

    Attributes:
        fixed: The slide that `to_moving` starts from.
        moving: The other one.
    """

    fixed: PlacedSlide
    moving: PlacedSlide

    @abstractmethod
    def to_moving(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the fixed slide to µm of the moving one."""

    @abstractmethod
    def to_fixed(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the moving slide to µm of the fixed one."""

    @abstractmethod
    def swapped(self) -> PointMap:
        """The same transform with fixed and moving exchanged."""

    @property
    @abstractmethod
    def bends(self) -> bool:
        """True where straight lines may become curves."""

    def raster_to_moving(self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> Points:
        """Map the crossings of columns ``(W,)`` and rows ``(H,)`` of the fixed slide, µm.

        Returns:
            ``(H, W, 2)`` µm of the moving slide.
        """
        return self.to_moving(np.stack(np.meshgrid(x_um, y_um), axis=-1))

    def grid_to_moving_px(self, grid: Grid, rows: slice, columns: slice) -> Points:
        """Where the pixel centres of a block of a raster over the fixed slide lie.

        Args:
            grid: The raster.
            rows: Rows of the block, in pixels of ``grid``.
            columns: Columns likewise.

        Returns:
            ``(h, w, 2)`` float64, level-0 pixels of the moving slide.
        """
        x = (np.arange(columns.start, columns.stop) + 0.5) * grid.downsample_x * self.fixed.mpp.x
        y = (np.arange(rows.start, rows.stop) + 0.5) * grid.downsample_y * self.fixed.mpp.y
        return self.moving.to_px(self.raster_to_moving(x, y))

    def to_moving_px(self, points_xy: Points) -> Points:
        """Map points ``(..., 2)``, level-0 pixels of the fixed slide to those of the moving one."""
        return self.moving.to_px(self.to_moving(self.fixed.to_um(points_xy)))

    def to_fixed_px(self, points_xy: Points) -> Points:
        """Map points ``(..., 2)``, level-0 pixels of the moving slide to those of the fixed one."""
        return self.fixed.to_px(self.to_fixed(self.moving.to_um(points_xy)))

    def geometry_to_moving(self, geometry: BaseGeometry) -> BaseGeometry:
        """Carry a shapely geometry over, level-0 pixels on both sides.

        Long edges get points between, so that they bend with the tissue; a valid outline stays one.
        """
        return self._carried(geometry, self.to_moving_px, self.fixed.mpp)

    def geometry_to_fixed(self, geometry: BaseGeometry) -> BaseGeometry:
        """As :meth:`geometry_to_moving`, the other way."""
        return self._carried(geometry, self.to_fixed_px, self.moving.mpp)

    def _carried(
        self, geometry: BaseGeometry, carry: Callable[[Points], Points], mpp: Mpp
    ) -> BaseGeometry:
        was_valid = bool(shapely.is_valid(geometry))
        if self.bends:
            geometry = shapely.segmentize(geometry, _LONGEST_EDGE_UM / max(mpp.x, mpp.y))
        carried = shapely.transform(geometry, carry)
        # Edges that nearly touch can cross by the height of an arc.
        if was_valid and not shapely.is_valid(carried):
            carried = shapely.make_valid(carried, method="structure", keep_collapsed=False)
        return carried


@dataclass(frozen=True, eq=False)
class SlideTransform(PointMap):
    """moving = affine · (x + u(x)), in µm.

    Args:
        fixed: The H&E slide.
        moving: The same section, restained.
        affine: ``(2, 3)`` float64, µm to µm.
        displacement: The field u over the fixed slide; None for none.

    Raises:
        InvalidValueError: The affine map is flat, not finite, or no scale of scanners explains it.
    """

    fixed: PlacedSlide
    moving: PlacedSlide
    affine: NDArray[np.float64]
    displacement: Displacement | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted."""
        shaped = self.affine.shape == (2, 3) and bool(np.isfinite(self.affine).all())
        large, small = np.linalg.svd(self.affine[:, :2])[1] if shaped else (0.0, 0.0)
        largest = min(_LARGEST_SCALE, _MOST_STRETCHED * small)
        if small < _SMALLEST_SCALE or large > largest:
            raise InvalidValueError(
                "an affine map that no two scans of one section can have",
                where=f"{self.fixed.slide_id} to {self.moving.slide_id}",
                found=np.array2string(np.asarray(self.affine), precision=4),
                allowed=f"(2, 3), scales {_SMALLEST_SCALE:g} to {_LARGEST_SCALE:g}, "
                f"at most {_MOST_STRETCHED:g} times larger along one axis",
            )

    def to_moving(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the fixed slide to µm of the moving one."""
        points = np.asarray(points_um, np.float64)
        if self.displacement is not None:
            points = points + self.displacement.at(points)
        return np.asarray(points @ self.affine[:, :2].T + self.affine[:, 2])

    def to_fixed(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the moving slide to µm of the fixed one."""
        points = np.asarray(points_um, np.float64) - self.affine[:, 2]
        points = np.asarray(points @ np.linalg.inv(self.affine[:, :2]).T)
        return points if self.displacement is None else self.displacement.undone(points)

    def raster_to_moving(self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> Points:
        """As :meth:`PointMap.raster_to_moving`, at the price of two products of matrices."""
        points = np.stack(np.meshgrid(x_um, y_um), axis=-1).astype(np.float64)
        if self.displacement is not None:
            points += self.displacement.on_raster(x_um, y_um)
        return np.asarray(points @ self.affine[:, :2].T + self.affine[:, 2])

    def swapped(self) -> SwappedTransform:
        """The same transform, seen from the restained slide."""
        return SwappedTransform(self.moving, self.fixed, self)

    @property
    def bends(self) -> bool:
        """True with a displacement."""
        return self.displacement is not None

    @property
    def is_mirrored(self) -> bool:
        """True where the moving slide lies the other way up."""
        return bool(np.linalg.det(self.affine[:, :2]) < 0)

    @property
    def scale(self) -> float:
        """µm of the moving slide per µm of the fixed one, mean of both axes; 1 for true mpps."""
        return float(np.sqrt(abs(np.linalg.det(self.affine[:, :2]))))

    @property
    def rotation_degrees(self) -> float:
        """Turn from fixed to moving, clockwise on screen, -180 to 180.

        Where the slide is mirrored, left and right are swapped first.
        """
        linear = self.affine[:, :2] @ np.diag([-1.0 if self.is_mirrored else 1.0, 1.0])
        left, _, right = np.linalg.svd(linear)
        rotation = left @ right
        return math.degrees(math.atan2(rotation[1, 0], rotation[0, 0]))


@dataclass(frozen=True, eq=False)
class SwappedTransform(PointMap):
    """A transform seen from the restained slide.

    Args:
        fixed: The restained slide.
        moving: The H&E slide.
        forward: The transform.
    """

    fixed: PlacedSlide
    moving: PlacedSlide
    forward: SlideTransform

    @property
    def bends(self) -> bool:
        """True with a displacement."""
        return self.forward.bends

    def to_moving(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the restained slide to µm of the H&E slide."""
        return self.forward.to_fixed(points_um)

    def to_fixed(self, points_um: Points) -> Points:
        """Map points ``(..., 2)`` in µm of the H&E slide to µm of the restained one."""
        return self.forward.to_moving(points_um)

    def swapped(self) -> SlideTransform:
        """The transform as it was."""
        return self.forward
