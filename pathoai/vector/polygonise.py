"""From a class map to polygons whose outlines are pixel edges, so that areas are equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon
from shapely.affinity import affine_transform

from pathoai.vector.block_seams import CutOutlines
from pathoai.vector.linked_groups import linked_groups

AffineParameters = tuple[float, float, float, float, float, float]
"""Shapely's ``a, b, d, e, xoff, yoff``; see ``Grid.affine_to_level_0``."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected region of one value within one block of a raster.

    Args:
        value: Its value in the class map.
        polygon: Its outline with holes, in pixels of the raster (edges at integers).
        weight: Mean of the block's weights over the region, 1 where there are none.
    """

    value: int
    polygon: Polygon
    weight: float = 1.0


def polygonise(
    class_map: NDArray[np.uint8],
    *,
    ignore: Sequence[int] = (0, 255),
    origin_px: tuple[int, int] = (0, 0),
    weights: NDArray[np.float32] | None = None,
) -> list[Piece]:
    """Outline every region of equal value; pixels that touch at a corner only are apart.

    Args:
        class_map: ``(H, W)`` uint8, the whole raster or a block of it.
        ignore: Values that are not outlined.
        origin_px: x and y of the block in the raster.
        weights: ``(H, W)`` float32 to average over each region, e.g. probabilities.

    Returns:
        The regions, in pixels of the whole raster.
    """
    from scipy import ndimage

    pieces = []
    for value in np.unique(class_map):
        if int(value) in ignore:
            continue
        regions, _ = ndimage.label(class_map == value, output=np.uint32)
        numbers, outlines = outline_numbers(regions, origin_px)
        sums = np.bincount(regions.ravel(), weights=None if weights is None else weights.ravel())
        found = zip(outlines, sums[numbers] / shapely.area(outlines), strict=True)
        pieces += [Piece(int(value), outline, float(weight)) for outline, weight in found]
    return pieces


def outline_numbers(
    numbers: NDArray[np.uint32], origin_px: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Outline every region of equal number; pixels that touch at a corner only are apart.

    Args:
        numbers: ``(H, W)`` uint32 below 2³¹, 0 outside objects.
        origin_px: x and y of the block in its raster.

    Returns:
        The number of each region, ``(n,)``, and its outline in pixels of the whole raster, ``(n,)``
        polygons.
    """
    from rasterio import features

    found = list(features.shapes(numbers.astype(np.int32), mask=numbers > 0, connectivity=4))
    if not found:
        return np.empty(0, np.int64), np.empty(0, object)
    rings = [(of, ring) for of, (shape, _) in enumerate(found) for ring in shape["coordinates"]]
    lengths = [len(ring) for _, ring in rings]
    points = np.array(list(chain.from_iterable(ring for _, ring in rings)), np.float64)
    # All at once: making one polygon after the other takes longer than finding their outlines.
    closed = shapely.linearrings(points + origin_px, indices=np.repeat(range(len(rings)), lengths))
    outlines = shapely.polygons(closed, indices=[of for of, _ in rings])
    return np.array([number for _, number in found], np.int64), outlines


def merge_seams(pieces: Iterable[Piece], *, block_px: int) -> list[Piece]:
    """Unite regions that the border between two blocks cut in two.

    Args:
        pieces: The regions of all blocks, in pixels of the whole raster.
        block_px: Side of a block; blocks start at multiples of it.

    Returns:
        The regions as if the raster had been outlined whole; order is not kept.
    """
    whole: list[Piece] = []
    cut: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        x0, y0, x1, y1 = piece.polygon.bounds
        inside = x0 % block_px and y0 % block_px and x1 % block_px and y1 % block_px
        (whole if inside else cut[piece.value]).append(piece)
    for value, parts in cut.items():
        whole.extend(_united(value, parts, block_px))
    return whole


def _united(value: int, parts: list[Piece], block_px: int) -> list[Piece]:
    cut = CutOutlines(np.array([p.polygon for p in parts], dtype=object), block_px)
    merged = []
    for members in linked_groups(len(parts), cut.meeting()):
        areas = np.array([parts[i].polygon.area for i in members])
        weights = np.array([parts[i].weight for i in members])
        weight = float((areas * weights).sum() / areas.sum())
        merged.append(Piece(value, cut.union(members), weight))
    return merged


def unite(outlines: NDArray[np.object_]) -> Polygon:
    """One outline of regions that share edges; a seam leaves no points on straight edges."""
    polygon = shapely.union_all(outlines)
    exterior, *holes = (_bends(ring.coords) for ring in (polygon.exterior, *polygon.interiors))
    return Polygon(exterior, holes)


def _bends(ring: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    points = np.asarray(ring, np.float64)[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return np.asarray(points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]])


def to_level_0(polygon: Polygon, affine: AffineParameters) -> Polygon:
    """A polygon in level-0 pixels, from one in pixels of a grid.

    Args:
        polygon: In pixels of the grid.
        affine: The grid's ``affine_to_level_0()``.
    """
    moved: Polygon = affine_transform(polygon, affine)
    return moved
