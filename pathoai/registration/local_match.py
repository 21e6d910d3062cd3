"""Small squares of one window sought in another: where each lies, and how alike both are.

Normalised cross-correlation (Lewis 1995) of squares on a lattice at every shift within reach, by
means over squares: what stains do to contrast does not matter. Squares are sought both ways: only
where the way back ends where the way there began is a match more than chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pathoai.registration.correlation_peak import peaks
from pathoai.registration.coupled_peaks import coupled_peaks

STEP_PX = 16
"""Distance of neighbouring squares."""
SIDE_PX = 32
"""Side of a square."""
MARGIN_PX = (SIDE_PX - STEP_PX) // 2
"""How far the squares of a window reach beyond its whole steps."""

# Variance of the structure's noise: squares with less than that are alike to nothing.
_NOISE = 1e-3
_Moments = tuple[torch.Tensor, torch.Tensor]
"""Mean and variance over squares."""


@dataclass(frozen=True, eq=False)
class LocalMatch:
    """Matches of the squares of one window, on a lattice of R × C.

    Args:
        shift_px: ``(R, C, 2)`` float32: a square centred at p was found at p + shift.
        similarity: ``(R, C)`` float32, correlation there, -1 to 1.
        distinct: ``(R, C)`` float32, by how much correlation falls one pixel away from there.
        back_px: ``(R, C, 2)`` float32: the other window's square at p, found in this one.
    """

    shift_px: torch.Tensor
    similarity: torch.Tensor
    distinct: torch.Tensor
    back_px: torch.Tensor


@torch.no_grad()
def match_windows(
    fixed: torch.Tensor, moving: torch.Tensor, reach_px: int, *, coupled: bool = False
) -> LocalMatch:
    """Seek the squares of each window in the other one.

    Args:
        fixed: ``(R * STEP + 2 * MARGIN + 2 * reach, …)`` float32.
        moving: The same place on the other slide, of the same size.
        reach_px: Largest shift along either axis.
        coupled: Let neighbouring squares have a say in which of several peaks is meant.

    Returns:
        The matches, on the device of the windows.
    """
    there, back = _correlations(fixed, moving, reach_px)
    find = coupled_peaks if coupled else peaks
    shift, similarity, distinct = find(there, reach_px)
    back_shift, _, _ = find(back, reach_px)
    return LocalMatch(shift, similarity, distinct, back_shift)


def _correlations(
    fixed: torch.Tensor, moving: torch.Tensor, reach: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlation of each square at each shift, ``(S, S, R, C)``, there and back."""
    # Without a common mean, variances keep their digits.
    planes = [plane - plane.mean() for plane in (fixed, moving)]
    moments = [_moments(plane) for plane in planes]
    there = _correlation((planes[0], planes[1]), (moments[0], moments[1]), reach)
    back = _correlation((planes[1], planes[0]), (moments[1], moments[0]), reach)
    return there, back


def _correlation(
    planes: tuple[torch.Tensor, torch.Tensor], moments: tuple[_Moments, _Moments], reach: int
) -> torch.Tensor:
    """Correlation of the squares of the first plane with those of the second."""
    height, width = (length - 2 * reach for length in planes[0].shape)
    middle = planes[0][reach : reach + height, reach : reach + width].contiguous()
    mean, variance = (_every_step(m, reach, reach, reach) for m in moments[0])
    side = 2 * reach + 1
    volume = torch.empty((side, side, *mean.shape), device=middle.device)
    for y in range(side):
        for x in range(side):
            product = _means(middle * planes[1][y : y + height, x : x + width])
            there, spread = (_every_step(m, y, x, reach) for m in moments[1])
            volume[y, x] = (product - mean * there) * (variance * spread).rsqrt()
    return volume


def _every_step(moment: torch.Tensor, y: int, x: int, reach: int) -> torch.Tensor:
    """A moment of the lattice's squares, shifted to begin at (y, x)."""
    height, width = moment.shape
    rows = slice(y, height - 2 * reach + y, STEP_PX)
    return moment[rows, x : width - 2 * reach + x : STEP_PX]


def _means(plane: torch.Tensor) -> torch.Tensor:
    """Means over the squares of the lattice, ``(R, C)``."""
    pool = torch.nn.functional.avg_pool2d
    cells = pool(plane[None, None], STEP_PX, STEP_PX)
    return pool(cells, SIDE_PX // STEP_PX, 1)[0, 0]


def _moments(plane: torch.Tensor) -> _Moments:
    """Mean and variance over the square that begins at each pixel."""
    mean, square = (_running_means(p) for p in (plane, plane.square()))
    return mean, (square - mean.square()).clamp_min(0) + _NOISE


def _running_means(plane: torch.Tensor) -> torch.Tensor:
    total = torch.nn.functional.pad(plane.double(), (1, 0, 1, 0)).cumsum(0).cumsum(1)
    rows = total[SIDE_PX:] - total[:-SIDE_PX]
    return ((rows[:, SIDE_PX:] - rows[:, :-SIDE_PX]) / SIDE_PX**2).float()
