"""The connected pieces of a mask, each row of it as a few runs of pixels.

Rosenfeld A, Pfaltz JL. Sequential operations in digital picture processing. J ACM 1966, with runs
in place of pixels: a plane of numbers would take four to eight times the memory of the mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.planes import empty_plane

_STRIP_ROWS = 128


class Pieces:
    """The pieces of a mask, numbered from 1; 0 is what lies outside of all.

    Attributes:
        count: How many there are.
        area_px: ``(count + 1,)`` float64: pixels of each; 0 outside.
        at_border: ``(count + 1,)`` bool: whether it reaches the border of the mask.
    """

    def __init__(self, mask: NDArray[np.bool_], *, corners: bool) -> None:
        """Find them.

        Args:
            mask: ``(H, W)`` bool.
            corners: Whether pieces that touch at a corner are one.
        """
        self._shape = mask.shape
        height, width = mask.shape
        self._starts, self._ends = _runs(mask)
        joined = _joined(self._starts, self._ends, width + 1, reach=int(corners))
        self._piece = _numbered(len(self._starts), *joined)
        self.count = int(self._piece.max(initial=0))
        self.area_px = self._summed(self._ends - self._starts)
        row, column = np.divmod(self._starts, width + 1)
        last = column + self._ends - self._starts - 1
        touches = (row == 0) | (row == height - 1) | (column == 1) | (last == width)
        self.at_border = self._summed(touches) > 0

    def totals(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums of values ``(H, W)`` over each piece, ``(count + 1,)`` float64; 0 outside."""
        width = self._shape[1]
        of_runs = np.zeros(len(self._starts))
        # In strips: NumPy would make a 64-bit copy of the whole plane.
        for rows, runs in self._strips():
            strip = values[rows]
            edges = self._edges(runs, rows)
            edges = (edges - edges[:, :1] // (width + 1) - 1).ravel()
            # The last run goes on to the next edge; without any, to the end of the strip.
            edges = edges[: np.searchsorted(edges, strip.size)]
            if edges.size:
                sums = np.add.reduceat(strip.ravel(), edges, dtype=np.float64)
                of_runs[runs] = sums[::2]
        return self._summed(of_runs)

    def _summed(self, of_runs: NDArray[Any]) -> NDArray[np.float64]:
        found = np.bincount(self._piece, of_runs, minlength=self.count + 1)
        return np.asarray(found, dtype=np.float64)

    def selected(self, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask of some pieces, ``(H, W)`` bool.

        Args:
            keep: ``(count + 1,)`` bool, whether a piece is wanted; the first value says nothing.
        """
        width = self._shape[1]
        found, wanted = empty_plane(self._shape, np.bool_), keep[self._piece]
        for rows, runs in self._strips():
            edges = self._edges(runs, rows)[wanted[runs]].ravel()
            if edges.size:
                height = rows.stop - rows.start
                lengths = np.diff(edges, prepend=0, append=height * (width + 1))
                inside = np.arange(len(lengths)) % 2 == 1
                found[rows] = np.repeat(inside, lengths).reshape(height, width + 1)[:, 1:]
        return found

    def numbers(self) -> NDArray[np.uint32]:
        """The number of the piece of each pixel, ``(H, W)`` uint32; 0 outside of all."""
        width = self._shape[1]
        found = np.zeros(self._shape, np.uint32)
        for rows, runs in self._strips():
            edges = self._edges(runs, rows).ravel()
            height = rows.stop - rows.start
            lengths = np.diff(edges, prepend=0, append=height * (width + 1))
            values = np.zeros(len(lengths), np.uint32)
            values[1::2] = self._piece[runs]
            found[rows] = np.repeat(values, lengths).reshape(height, width + 1)[:, 1:]
        return found

    def _strips(self) -> Iterator[tuple[slice, slice]]:
        """Rows, and the runs in them."""
        height, width = self._shape
        for top in range(0, height, _STRIP_ROWS):
            rows = slice(top, min(top + _STRIP_ROWS, height))
            ends = np.array([rows.start, rows.stop]) * (width + 1)
            yield rows, slice(*np.searchsorted(self._starts, ends))

    def _edges(self, runs: slice, rows: slice) -> NDArray[np.int64]:
        """Starts and ends of runs, ``(N, 2)``, as if the first of the rows were the mask's."""
        edges = np.stack([self._starts[runs], self._ends[runs]], axis=1)
        return np.asarray(edges - rows.start * (self._shape[1] + 1))


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and behind the last pixel of each run, row by row, as if each row began with a gap."""
    height, width = mask.shape
    found = []
    # In strips: a plane of comparisons would be as large as the mask.
    for top in range(0, height, _STRIP_ROWS):
        strip = mask[top : top + _STRIP_ROWS]
        flat = np.zeros(strip.shape[0] * (width + 1) + 1, np.bool_)
        flat[:-1].reshape(-1, width + 1)[:, 1:] = strip
        found.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1 + top * (width + 1))
    edges = np.concatenate(found)
    return edges[::2], edges[1::2]


def _joined(
    starts: NDArray[np.int64], ends: NDArray[np.int64], stride: int, *, reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs that touch, one in the row above the other."""
    first = np.searchsorted(ends, starts - stride - reach, "right")
    behind = np.searchsorted(starts, ends - stride + reach, "left")
    above = behind - first
    lower = np.repeat(np.arange(len(starts)), above)
    place = np.arange(len(lower)) - np.repeat(np.cumsum(above) - above, above)
    return lower, first[lower] + place


def _numbered(count: int, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers from 1 for what pairs connect: the smallest member stands for all."""
    smallest = np.arange(count)
    while True:
        low = np.minimum(smallest[one], smallest[other])
        high = np.maximum(smallest[one], smallest[other])
        apart = low < high
        if not apart.any():
            break
        one, other = one[apart], other[apart]
        np.minimum.at(smallest, high[apart], low[apart])
        # Every member points to the smallest known: to that one's, and so on.
        while not np.array_equal(further := smallest[smallest], smallest):
            smallest = further
    return np.cumsum(smallest == np.arange(count))[smallest]
