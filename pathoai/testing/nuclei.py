"""Shapes of nuclei: outlines in closed form, and their rendering in any rectangle.

A nucleus is an ellipse whose radius is modulated by waves of order 2 to 4. The outline is known
in closed form, so masks of any rectangle follow from the table and are never stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTLINE_POINTS = 48
_BIN_PX = 512


@dataclass(frozen=True, eq=False)
class NucleusShapes:
    """The parametric outlines of N nuclei.

    Attributes:
        centre: (N, 2) float64, x and y of the pole of the outline, level-0 px.
        axes: (N, 2) float32, half axes along and across the long direction, px.
        turn: (N, 2) float32, cosine and sine of the long direction.
        waves: (N, 6) float32, cosine and sine amplitudes of the orders 2, 3 and 4.
        reach: (N,) float32, half side of the window in which the cell competes for ground
            with its neighbours, px.
        chromatin: (N,) float32, optical density of hematoxylin of the nucleus.
        texture: (N, 2) int32, offset into the chromatin texture, px.
        nucleolus: (N, 2) float32, x and y of the nucleolus from the pole, px; infinite
            where there is none.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float32]
    turn: NDArray[np.float32]
    waves: NDArray[np.float32]
    reach: NDArray[np.float32]
    chromatin: NDArray[np.float32]
    texture: NDArray[np.int32]
    nucleolus: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> NucleusShapes:
        """Keep the nuclei of the given rows, in that order."""
        return NucleusShapes(**{name: value[rows] for name, value in vars(self).items()})

    @classmethod
    def joined(cls, parts: list[NucleusShapes]) -> NucleusShapes:
        """Put several tables below each other."""
        names = list(cls.__dataclass_fields__)
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    def radius(self, rows: NDArray[np.intp], direction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Radius of the outlines towards a direction.

        Args:
            rows: Numbers of the nuclei, broadcast against the direction.
            direction: Angles from the x axis, radians.

        Returns:
            float64, px, of the broadcast shape.
        """
        own = direction - np.arctan2(self.turn[rows, 1], self.turn[rows, 0])
        long_axis, short_axis = self.axes[rows, 0], self.axes[rows, 1]
        ellipse = (
            long_axis
            * short_axis
            / np.sqrt((short_axis * np.cos(own)) ** 2 + (long_axis * np.sin(own)) ** 2)
        )
        modulation = np.ones_like(own)
        for place, order in enumerate((2, 3, 4)):
            modulation += self.waves[rows, 2 * place] * np.cos(order * own)
            modulation += self.waves[rows, 2 * place + 1] * np.sin(order * own)
        return np.asarray(ellipse * modulation, dtype=np.float64)

    def outlines(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Trace outlines.

        Args:
            rows: (n,) numbers of the nuclei.

        Returns:
            (n, 48, 2) float64, x and y in level-0 px, counter-clockwise as seen on screen
            with y downwards; the first point is not repeated.
        """
        angle = -np.linspace(0.0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)[None, :]
        radius = self.radius(np.asarray(rows)[:, None], angle)
        ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
        return np.asarray(ring + self.centre[rows][:, None, :], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class NucleusTable:
    """The nuclei of a slide, one row each, sorted by place.

    Attributes:
        instance_id: (N,) int32, 1 to N: the values of the instance masks.
        class_index: (N,) uint8, position in `class_keys`.
        class_keys: The class keys.
        x: (N,) float64, centroid, level-0 px.
        y: (N,) float64, centroid, level-0 px.
        area_px: (N,) float64, area within the outline, level-0 px squared.
        boxes: (N, 4) int32, left, top, right and bottom (exclusive), level-0 px.
        shapes: The outlines.
        bins: (rows, columns + 1) int64, first row of the table of each 512 px bin.
    """

    instance_id: NDArray[np.int32]
    class_index: NDArray[np.uint8]
    class_keys: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area_px: NDArray[np.float64]
    boxes: NDArray[np.int32]
    shapes: NucleusShapes
    bins: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of nuclei."""
        return int(self.instance_id.size)

    def near(self, x: int, y: int, width: int, height: int, *, reach: int) -> NDArray[np.intp]:
        """Find the nuclei whose pole lies in a rectangle or less than `reach` px outside.

        Returns:
            (n,) rows of the table, ascending.
        """
        bin_rows, bin_columns = self.bins.shape[0], self.bins.shape[1] - 1
        top, bottom = max(0, (y - reach) // _BIN_PX), (y + height + reach) // _BIN_PX
        left, right = max(0, (x - reach) // _BIN_PX), (x + width + reach) // _BIN_PX
        if left >= bin_columns or right < 0:
            return np.zeros(0, dtype=np.intp)
        spans = [
            np.arange(self.bins[row, left], self.bins[row, min(right, bin_columns - 1) + 1])
            for row in range(top, min(bottom, bin_rows - 1) + 1)
        ]
        rows = np.concatenate([np.zeros(0, dtype=np.intp), *spans])
        centre = self.shapes.centre[rows]
        close = (centre[:, 0] > x - reach) & (centre[:, 0] < x + width + reach)
        close &= (centre[:, 1] > y - reach) & (centre[:, 1] < y + height + reach)
        return np.asarray(rows[close], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class CellMap:
    """Which cell owns each pixel of a rectangle.

    Attributes:
        distance: (height, width) float32, to the outline of the nearest nucleus along its
            radius, px; negative inside, large where no cell reaches.
        second: (height, width) float32, the same for the second nearest.
        row: (height, width) int32, row of the nearest nucleus in the table; -1 for none.
    """

    distance: NDArray[np.float32]
    second: NDArray[np.float32]
    row: NDArray[np.int32]


FAR = np.float32(1e4)


def tabulate(
    shapes: NucleusShapes,
    *,
    class_index: NDArray[np.uint8],
    class_keys: tuple[str, ...],
    size_px: tuple[int, int],
) -> NucleusTable:
    """Sort nuclei by place, measure them and number them.

    Args:
        shapes: The outlines.
        class_index: (N,) uint8, class of each.
        class_keys: The class keys.
        size_px: Width and height of the slide, level-0 px.

    Returns:
        The table; nuclei that cross the slide's edge are left out.
    """
    low, high, centroid, area = _measure(shapes)
    inside = np.all(low >= 0, axis=1) & np.all(high <= np.asarray(size_px), axis=1)
    bins_x = -(-size_px[0] // _BIN_PX)
    bins_y = -(-size_px[1] // _BIN_PX)
    place = (shapes.centre // _BIN_PX).astype(np.int64)
    key = place[:, 1] * bins_x + place[:, 0]
    kept = np.flatnonzero(inside)
    order = kept[np.lexsort((shapes.centre[kept, 0], shapes.centre[kept, 1], key[kept]))]
    starts = np.searchsorted(key[order], np.arange(bins_x * bins_y + 1))
    rows = np.arange(bins_y)[:, None] * bins_x + np.arange(bins_x + 1)[None, :]
    return NucleusTable(
        instance_id=np.arange(1, order.size + 1, dtype=np.int32),
        class_index=class_index[order],
        class_keys=class_keys,
        x=centroid[order, 0],
        y=centroid[order, 1],
        area_px=area[order],
        boxes=np.concatenate([np.floor(low), np.ceil(high)], axis=1)[order].astype(np.int32),
        shapes=shapes.take(order),
        bins=starts[rows].astype(np.int64),
    )


def _measure(
    shapes: NucleusShapes,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner (N, 2), centroid (N, 2) and area (N,) of the outlines."""
    count = shapes.centre.shape[0]
    low, high, centroid = (np.zeros((count, 2)) for _ in range(3))
    area = np.zeros(count)
    for start in range(0, count, 20_000):
        rows = np.arange(start, min(count, start + 20_000))
        ring = shapes.outlines(rows) - shapes.centre[rows][:, None, :]
        following = np.roll(ring, -1, axis=1)
        cross = ring[..., 0] * following[..., 1] - following[..., 0] * ring[..., 1]
        twice = cross.sum(axis=1)
        area[rows] = np.abs(twice) / 2
        moment = ((ring + following) * cross[..., None]).sum(axis=1)
        centroid[rows] = moment / (3 * twice[:, None]) + shapes.centre[rows]
        low[rows] = ring.min(axis=1) + shapes.centre[rows] - 0.5
        high[rows] = ring.max(axis=1) + shapes.centre[rows] + 0.5
    return low, high, centroid, area


def cell_map(
    table: NucleusTable, *, x: int, y: int, width: int, height: int, whole_cells: bool
) -> CellMap:
    """Find the nearest nucleus of each pixel of a rectangle.

    Args:
        table: The nuclei.
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        width: Width, px.
        height: Height, px.
        whole_cells: Whether cells compete for the ground around nuclei; False is faster and
            enough for masks of nuclei.

    Returns:
        The owners; the values in a pixel do not depend on the rectangle.
    """
    distance = np.full((height, width), FAR, dtype=np.float32)
    second = np.full((height, width), FAR, dtype=np.float32)
    owner = np.full((height, width), -1, dtype=np.int32)
    shapes = table.shapes
    longest = float(shapes.reach.max()) if len(table) else 0.0
    rows = table.near(x, y, width, height, reach=int(longest) + 2)
    for row, left, top, stamp in _stamps(table, rows, whole_cells=whole_cells):
        first_x, first_y = max(x, left), max(y, top)
        last_x = min(x + width, left + stamp.shape[1])
        last_y = min(y + height, top + stamp.shape[0])
        if first_x >= last_x or first_y >= last_y:
            continue
        cut = stamp[first_y - top : last_y - top, first_x - left : last_x - left]
        place = (slice(first_y - y, last_y - y), slice(first_x - x, last_x - x))
        old = distance[place]
        nearer = cut < old
        if whole_cells:
            np.minimum(second[place], np.maximum(old, cut), out=second[place])
        np.copyto(old, cut, where=nearer)
        np.copyto(owner[place], np.int32(row), where=nearer)
    return CellMap(distance=distance, second=second, row=owner)


def _stamps(
    table: NucleusTable, rows: NDArray[np.intp], *, whole_cells: bool
) -> Iterator[tuple[int, int, int, NDArray[np.float32]]]:
    """Yield row, left, top and the radial distance to the outline, for each nucleus."""
    shapes = table.shapes
    for row in rows.tolist():
        if whole_cells:
            centre_x, centre_y = shapes.centre[row].tolist()
            reach = float(shapes.reach[row])
            left, top = int(centre_x - reach), int(centre_y - reach)
            right, bottom = int(centre_x + reach) + 1, int(centre_y + reach) + 1
        else:
            left, top, right, bottom = table.boxes[row].tolist()
        yield row, left, top, _radial_distance(shapes, row, box=(left, top, right, bottom))


def _radial_distance(
    shapes: NucleusShapes, row: int, *, box: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Distance (height, width) float32 of pixel centres to an outline, along the radius, px."""
    left, top, right, bottom = box
    centre_x, centre_y = shapes.centre[row].tolist()
    cosine, sine = shapes.turn[row].tolist()
    long_axis, short_axis = shapes.axes[row].tolist()
    c2, s2, c3, s3, c4, s4 = shapes.waves[row].tolist()
    # Whole pixels are subtracted first, so that a value never depends on the rectangle.
    base_x, base_y = int(centre_x), int(centre_y)
    dx = np.arange(left - base_x, right - base_x, dtype=np.float32)[None, :]
    dy = np.arange(top - base_y, bottom - base_y, dtype=np.float32)[:, None]
    dx += np.float32(0.5 - (centre_x - base_x))
    dy += np.float32(0.5 - (centre_y - base_y))
    u = cosine * dx + sine * dy
    v = cosine * dy - sine * dx
    uu, vv = u * u, v * v
    square = uu + vv
    square += np.float32(1e-6)
    inverse = 1.0 / square
    cos2 = (uu - vv) * inverse
    sin2 = (u * v) * (inverse + inverse)
    length = np.sqrt(square)
    # cos 3t and sin 3t times the length follow from the double angle without trigonometry.
    wave = c3 * (cos2 * u - sin2 * v) + s3 * (sin2 * u + cos2 * v)
    wave /= length
    wave += cos2 * (c2 + (2 * c4) * cos2 + (2 * s4) * sin2)
    wave += s2 * sin2
    wave += np.float32(1.0 - c4)
    wave *= long_axis * short_axis
    wave /= np.sqrt((short_axis * short_axis) * uu + (long_axis * long_axis) * vv + 1e-6)
    wave *= length
    return np.asarray(length - wave, dtype=np.float32)
