"""A block of the screen: a small raster over a place of the slide, in which strokes are painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LinearRing, Polygon
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.vector.polygonise import polygonise
from pathoai_annotations.drawing.outline_edits import simplified, united

_HALF_PIXEL = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    """A raster laid over a rectangle of the slide.

    Args:
        x: Left edge, level-0 pixels.
        y: Top edge, level-0 pixels.
        pixel_x: Width of one pixel of the block, level-0 pixels.
        pixel_y: Height of one pixel of the block, level-0 pixels.
        size_px: Size of the block, in its own pixels.

    Raises:
        InvalidValueError: Its pixels have no size.
    """

    x: float
    y: float
    pixel_x: float
    pixel_y: float
    size_px: Size

    def __post_init__(self) -> None:
        """Refuse what covers nothing."""
        if not (self.pixel_x > 0 and self.pixel_y > 0):
            raise InvalidValueError(
                "pixels of a block",
                found=f"{self.pixel_x:g} × {self.pixel_y:g}",
                allowed="sizes above 0, level-0 pixels",
            )

    @property
    def region(self) -> Region:
        """What it covers."""
        width, height = self.size_px.width, self.size_px.height
        return Region(self.x, self.y, width * self.pixel_x, height * self.pixel_y)

    @property
    def pixel_area(self) -> float:
        """Area of one of its pixels, level-0 pixels²."""
        return self.pixel_x * self.pixel_y

    @property
    def half_pixel(self) -> float:
        """Half the smaller side of one of its pixels, level-0 pixels."""
        return _HALF_PIXEL * min(self.pixel_x, self.pixel_y)

    def in_pixels(self, x: float, y: float) -> tuple[float, float]:
        """A place of the slide in the block's pixels, edges at integers: x and y."""
        return (x - self.x) / self.pixel_x, (y - self.y) / self.pixel_y

    def to_level_0(self, geometry: BaseGeometry) -> BaseGeometry:
        """A geometry in the block's pixels, edges at integers, on the slide."""
        return affine_transform(geometry, (self.pixel_x, 0, 0, self.pixel_y, self.x, self.y))

    @classmethod
    def about(cls, place: tuple[float, float], pixel: tuple[float, float], side_px: int) -> Block:
        """A square block in whose middle pixel a place lies.

        Args:
            place: x and y, level-0 pixels.
            pixel: Width and height of its pixels, level-0 pixels.
            side_px: Its side, in its own pixels.
        """
        left, top = (side_px // 2 + _HALF_PIXEL) * pixel[0], (side_px // 2 + _HALF_PIXEL) * pixel[1]
        return cls(place[0] - left, place[1] - top, *pixel, Size(side_px, side_px))


def painted_outline(mask: NDArray[Any], block: Block) -> BaseGeometry | None:
    """The outline of what was painted, smooth, and nowhere a pixel away from the pixels' edges.

    Corners are cut through the middles of their edges, so that stairs become slopes; then vertices
    go that lie within half a pixel of the line without them.

    Args:
        mask: ``(height, width)`` bool or uint8 of the block's size, true where painted.
        block: Where it lies.

    Returns:
        An area, level-0 pixels; None where nothing was painted.
    """
    rounded = [_without_corners(polygon) for polygon in _pixel_outlines(mask)]
    whole = united(rounded)
    return None if whole is None else block.to_level_0(simplified(whole, _HALF_PIXEL))


def exact_outline(mask: NDArray[Any], block: Block) -> BaseGeometry | None:
    """The same along the pixels' edges: its area is that of the painted pixels."""
    whole = united(_pixel_outlines(mask))
    return None if whole is None else block.to_level_0(whole)


def on_slide(geometry: BaseGeometry, size: Size) -> BaseGeometry | None:
    """What of an area lies on a slide of this size, level-0 pixels; None where nothing does."""
    return united([shapely.intersection(geometry, shapely.box(0, 0, size.width, size.height))])


def _pixel_outlines(mask: NDArray[Any]) -> list[Polygon]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    # A stroke takes little of the screen.
    painted = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    return [piece.polygon for piece in polygonise(painted, ignore=(0,), origin_px=(left, top))]


def _without_corners(polygon: Polygon) -> Polygon:
    """An outline along pixel edges, through their middles: stairs become slopes."""
    shell, *holes = (_through_middles(r) for r in (polygon.exterior, *polygon.interiors))
    return Polygon(shell, holes)


def _through_middles(ring: LinearRing) -> NDArray[np.float64]:
    corners = shapely.get_coordinates(shapely.segmentize(ring, 1.0))
    middles: NDArray[np.float64] = (corners[:-1] + corners[1:]) / 2
    return middles
