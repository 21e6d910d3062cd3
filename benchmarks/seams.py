"""How much a map steps across the borders of its tiles, beside how much elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_NEAR_PX = 2
"""A step this close to a border counts neither as at it nor as elsewhere."""


def seam_ratio(
    values: NDArray[np.uint8],
    columns: Iterable[int],
    rows: Iterable[int],
    inside: NDArray[np.bool_],
) -> float:
    """Mean absolute step across borders, divided by the mean step elsewhere; 1 where none is seen.

    Args:
        values: ``(H, W)`` map.
        columns: Where tiles begin and end along x: a border lies before such a column.
        rows: Likewise along y.
        inside: ``(H, W)``: where the map says something.
    """
    along_x = _steps(values, inside), list(columns)
    along_y = _steps(values.T, inside.T), list(rows)
    across, elsewhere = [], []
    for (sums, counts), places in (along_x, along_y):
        at = np.zeros(len(sums), bool)
        near = np.zeros(len(sums), bool)
        for place in places:
            near[max(0, place - _NEAR_PX) : max(0, place + _NEAR_PX + 1)] = True
            if 0 < place < len(sums):
                at[place] = True
        across.append((sums[at].sum(), counts[at].sum()))
        elsewhere.append((sums[~near].sum(), counts[~near].sum()))
    return _mean(across) / _mean(elsewhere)


def _steps(
    values: NDArray[np.uint8], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum of steps from each column to the next, and how many there are; the first has none."""
    sums, counts = np.zeros(values.shape[1]), np.zeros(values.shape[1], np.int64)
    for start in range(0, values.shape[0], 512):
        part = values[start : start + 512].astype(np.int16)
        both = inside[start : start + 512, 1:] & inside[start : start + 512, :-1]
        sums[1:] += (np.abs(np.diff(part, axis=1)) * both).sum(0)
        counts[1:] += both.sum(0)
    return sums, counts


def _mean(parts: list[tuple[float, int]]) -> float:
    return sum(total for total, _ in parts) / max(1, sum(count for _, count in parts))
