"""Rasters of annotations: which grid they are painted on, and how a file's grid lies on a slide."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.vector.rasterise import rasterise
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part, shape_of
from pathoai_annotations.slide_frame import Corner, Placement, SlideFrame

DEFAULT_MPP_UM = 0.5
"""Nuclei keep their shape at half a micrometre, and most models see at that scale."""
_LARGEST_ROUNDING = 1e-3
"""Files round a scale to a few digits; so much does not make another slide of it."""
_WIDEST_LOST_PX = 1.5


def raster_grid(frame: SlideFrame, corner: Corner, mpp: float | None) -> Grid:
    """The grid to paint on: a whole number of level-0 pixels a side, where the scale allows.

    Args:
        frame: Of the slide.
        corner: The part of the slide that it covers, from whose top left it counts.
        mpp: µm per pixel; where None, the whole number that is nearest to half a micrometre.
    """
    size = _part_size(frame, corner)
    if mpp is None:
        factor = float(max(1, round(DEFAULT_MPP_UM / frame.mpp.mean)))
    else:
        factor = snapped(mpp / frame.mpp.mean)
    return Grid(size.scaled_down(factor), factor, factor)


def _part_size(frame: SlideFrame, corner: Corner) -> Size:
    part = frame.part(corner)
    return Size(math.ceil(part.width), math.ceil(part.height))


def grid_in_file(frame: SlideFrame, corner: Corner, size_px: Size, mpp: Mpp, *, where: str) -> Grid:
    """How a raster that covers a slide from its top left lies on it.

    Args:
        frame: Of the slide.
        corner: The part of the slide that it covers.
        size_px: Of the raster, in its pixels.
        mpp: Of the raster, as the file rounds it.
        where: Name of the file.

    Raises:
        AnnotationError: It covers another area: the file is about another slide.
    """
    x, y = snapped(mpp.x / frame.mpp.x), snapped(mpp.y / frame.mpp.y)
    width, height = size_px.width * x, size_px.height * y
    own = _part_size(frame, corner)
    if abs(width - own.width) > x + 1 or abs(height - own.height) > y + 1:
        raise AnnotationError(
            "the file is about another slide",
            where=where,
            found=f"{width:.0f} × {height:.0f} level-0 px",
            allowed=f"{own.width} × {own.height} px",
            remedy="read it for the slide that it is about",
        )
    return Grid(size_px, x, y)


def snapped(ratio: float) -> float:
    """A ratio of two scales: the whole number that it is, where a file rounds it a little."""
    whole = round(ratio)
    return float(whole) if whole and abs(ratio / whole - 1) < _LARGEST_ROUNDING else ratio


@dataclass(frozen=True, slots=True)
class Paint:
    """An annotation as it is painted.

    Args:
        annotation: What it is of.
        geometry: Its outline, counted from the raster's corner.
    """

    annotation: Annotation
    geometry: BaseGeometry


def paintable(
    annotations: Iterable[Annotation], placement: Placement, grid: Grid, report: ExchangeReport
) -> list[Paint]:
    """What leaves a trace on a grid, large outlines first, so that small ones lie on top.

    Args:
        annotations: Of one slide.
        placement: How the raster's corner lies on level 0.
        grid: The raster.
        report: Told of points, of lines, of areas that hold no pixel's centre, and of those that
            reach off the raster, which is that of a part of the slide.
    """
    width, height = grid.size_px.width * grid.downsample_x, grid.size_px.height * grid.downsample_y
    kept = []
    for annotation in annotations:
        geometry = placement.from_level_0(annotation.geometry)
        shape, (x0, y0, x1, y1) = shape_of(geometry), geometry.bounds
        is_whole = shape is Part.AREAS and min(x0, y0) >= 0 and x1 <= width and y1 <= height
        leaves_trace = shape is Part.AREAS and min(x1, y1) > 0 and x0 < width and y0 < height
        leaves_trace = leaves_trace and not _vanishes(geometry, grid)
        if not is_whole or not leaves_trace:
            report.lose(shape, str(annotation.id))
        if leaves_trace:
            kept.append(Paint(annotation, geometry))
    return sorted(kept, key=lambda p: (-p.geometry.area, str(p.annotation.id)))


def _vanishes(geometry: BaseGeometry, grid: Grid) -> bool:
    """Whether no pixel's centre lies in it; only what is thin everywhere has to be painted."""
    width_px = 2 * geometry.area / geometry.length / max(grid.downsample_x, grid.downsample_y)
    if width_px > _WIDEST_LOST_PX:
        return False
    (x0, y0, x1, y1) = geometry.bounds
    left, top = int(x0 / grid.downsample_x), int(y0 / grid.downsample_y)
    right, bottom = int(x1 / grid.downsample_x) + 1, int(y1 / grid.downsample_y) + 1
    size = Size(max(1, right - left), max(1, bottom - top))
    return not rasterise([(geometry, 1)], grid, origin_px=(left, top), size_px=size).any()


def touched_tiles(
    geometries: Sequence[BaseGeometry], grid: Grid, tile_px: int
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Tiles of a grid that outlines may touch: row and column, and which outlines, ascending.

    Args:
        geometries: In level-0 pixels.
        grid: The raster.
        tile_px: Side of a tile.
    """
    bounds = shapely.bounds(np.array(geometries, object)).reshape(-1, 4)
    side = np.array([grid.downsample_x, grid.downsample_y]) * tile_px
    last = np.array([grid.size_px.width - 1, grid.size_px.height - 1]) // tile_px
    first_tile = np.clip(np.floor(bounds[:, :2] / side), 0, last).astype(int)
    last_tile = np.clip(np.floor(bounds[:, 2:] / side), 0, last).astype(int)
    tiles: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, ((x0, y0), (x1, y1)) in enumerate(zip(first_tile, last_tile, strict=True)):
        for row in range(y0, y1 + 1):
            for column in range(x0, x1 + 1):
                tiles[row, column].append(number)
    return iter(sorted(tiles.items()))


def tile_slices(tile: tuple[int, int], grid: Grid, tile_px: int) -> tuple[slice, slice]:
    """Rows and columns of a grid that a tile covers."""
    y, x = tile[0] * tile_px, tile[1] * tile_px
    return (
        slice(y, min(y + tile_px, grid.size_px.height)),
        slice(x, min(x + tile_px, grid.size_px.width)),
    )


def painted(
    shapes: Sequence[tuple[BaseGeometry, int]],
    grid: Grid,
    tile: tuple[slice, slice],
    fill: int | np.uint32 = 0,
) -> NDArray[np.uint8] | NDArray[np.uint32]:
    """A tile with outlines painted, later ones over earlier ones, ``(height, width)``.

    Args:
        shapes: Outlines in level-0 pixels, each with its value.
        grid: The raster.
        tile: Rows and columns of the grid.
        fill: Value where there is no outline; a plain number's type is uint8.
    """
    rows, columns = tile
    size = Size(columns.stop - columns.start, rows.stop - rows.start)
    return rasterise(shapes, grid, origin_px=(columns.start, rows.start), size_px=size, fill=fill)
