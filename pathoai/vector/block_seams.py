"""Outlines of pixels that the borders between blocks of a raster cut: which meet, and the whole.

Only rings that reach a border are looked at: a tissue has a hundred thousand holes that do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

_LOW, _HIGH = 0, 1
"""Sides of a border: where coordinates are smaller, and where they are larger."""


@dataclass(frozen=True)
class CutOutlines:
    """Outlines on pixel edges, each within one block, none over another.

    Args:
        outlines: ``(n,)`` polygons in pixels of the whole raster.
        block_px: Side of a block; blocks start at multiples of it.
    """

    outlines: NDArray[np.object_]
    block_px: int

    @cached_property
    def _rings(self) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.bool_]]:
        """All rings, the outline of each, and whether it is an exterior one."""
        rings, owner = shapely.get_rings(self.outlines, return_index=True)
        is_exterior = np.diff(owner, prepend=-1) > 0
        return rings, owner.astype(np.int64), is_exterior

    @cached_property
    def _reaches(self) -> NDArray[np.bool_]:
        """Whether a ring has a point on a border."""
        rings, _, _ = self._rings
        points, ring = shapely.get_coordinates(rings, return_index=True)
        on_border = (points % self.block_px == 0).any(axis=1)
        return np.bincount(ring[on_border], minlength=len(rings)) > 0

    def meeting(self) -> list[tuple[int, int]]:
        """Pairs of outlines that share an edge, not only a corner; positions of the two."""
        rings, owner, _ = self._rings
        points, ring = shapely.get_coordinates(rings[self._reaches], return_index=True)
        of = owner[self._reaches][ring]
        here, there = points[:-1].astype(np.int64), points[1:].astype(np.int64)
        lowest = shapely.bounds(self.outlines)[:, :2].astype(np.int64)
        pairs: set[tuple[int, int]] = set()
        for axis in (0, 1):
            line, across = here[:, axis], here[:, axis] == there[:, axis]
            edge = across & (line % self.block_px == 0) & (ring[:-1] == ring[1:])
            ends = np.sort(np.stack([here[edge], there[edge]])[..., 1 - axis], axis=0)
            number, place = of[:-1][edge], line[edge]
            side = np.where(lowest[number, axis] == place, _HIGH, _LOW)
            for one in np.unique(place):
                chosen = place == one
                pairs |= _meeting(side[chosen], ends[:, chosen], number[chosen])
        return sorted(pairs)

    def union(self, members: list[int]) -> shapely.Polygon:
        """One outline of those that make one region; a border leaves no point on straight edges.

        Where points on both sides of a border are the same, what is shared has only to be left out,
        which is many times quicker than looking for it (coverage union of JTS and GEOS).
        """
        if len(members) == 1:
            return self.outlines[members[0]]
        rings, owner, is_exterior = self._rings
        own = np.isin(owner, members)
        exteriors = rings[own & is_exterior]
        holes, of = (
            rings[own & ~is_exterior & self._reaches],
            owner[own & ~is_exterior & self._reaches],
        )
        parts = [
            shapely.Polygon(
                self._noded(exterior), [self._noded(hole) for hole in holes[of == member]]
            )
            for member, exterior in zip(sorted(members), exteriors, strict=True)
        ]
        outline, *inner = shapely.get_rings(shapely.coverage_union_all(parts))
        whole = rings[own & ~is_exterior & ~self._reaches]
        bent = [shapely.LinearRing(_bends(ring)) for ring in inner]
        found: shapely.Polygon = shapely.polygons(
            shapely.LinearRing(_bends(outline)),
            holes=np.concatenate([np.array(bent, object), whole]),
        )
        return found

    def _noded(self, ring: shapely.LinearRing) -> NDArray[np.int64]:
        """Its points, and one at every pixel's corner on the borders of blocks."""
        points = shapely.get_coordinates(ring).astype(np.int64)
        here, step = points[:-1], np.diff(points, axis=0)
        on_border = ((step == 0) & (here % self.block_px == 0)).any(axis=1)
        count = np.where(on_border, np.abs(step).sum(axis=1), 1)
        edge = np.repeat(np.arange(len(here)), count)
        place = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        return np.asarray(here[edge] + np.sign(step)[edge] * place[:, None])


def _meeting(
    side: NDArray[np.int64], ends: NDArray[np.int64], number: NDArray[np.int64]
) -> set[tuple[int, int]]:
    """Pairs on both sides of one line, from edges of the outlines along it."""
    first = ends.min()
    owners = np.full((2, ends.max() - first), -1, np.int64)
    for one, start, stop, owner in zip(side, *(ends - first), number, strict=True):
        owners[one, start:stop] = owner
    both = np.unique(owners[:, (owners >= 0).all(axis=0)], axis=1)
    return {(int(one), int(other)) for one, other in both.T}


def _bends(ring: shapely.LinearRing) -> NDArray[np.float64]:
    points = shapely.get_coordinates(ring)[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return np.asarray(points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]])
