"""Peaks of correlation that neighbours agree on.

Where many places look alike, or none quite does, the highest correlation is often a wrong one that
is hardly higher. So shifts are sought once more, each pulled towards the mean of its neighbours',
and pulled more strongly from round to round: coupled convex optimisation (Heinrich, Papież,
Schnabel and Handels 2014, Non-parametric discrete registration with convex optimisation).
"""

from __future__ import annotations

import torch

from pathoai.registration.correlation_peak import peaks

# Correlation that a shift loses for each squared pixel from where its neighbours lie.
_PULLS = (0.001, 0.003, 0.01)
# Means of 3 x 3 taken so often reach about as far as a Gaussian of 1.4 squares.
_MEANS = 3
_CHANCE = 0.2
_LEAST_WEIGHT = 1e-6


def coupled_peaks(
    volume: torch.Tensor, reach: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `peaks`, of squares that heed their neighbours.

    Args:
        volume: ``(S, S, R, C)``, S = 2 * reach + 1: of R × C squares at each shift, rows first.
        reach: Largest shift along either axis, pixels.

    Returns:
        Shift ``(R, C, 2)`` as x and y, the correlation there ``(R, C)``, and by how much it falls,
        with the pull, one pixel away ``(R, C)``.
    """
    shift, similarity, distinct = peaks(volume, reach)
    axis = torch.arange(-reach, reach + 1, dtype=volume.dtype, device=volume.device)
    for pull in _PULLS:
        towards = _neighbours(shift, (similarity - _CHANCE).clamp_min(0) * distinct)
        x, y = ((axis[:, None, None] - towards[..., i]).square() for i in (0, 1))
        pulled = volume - pull * (y[:, None] + x[None])
        shift, height, distinct = peaks(pulled, reach)
        similarity = height + pull * (shift - towards).square().sum(dim=-1)
    return shift, similarity, distinct


def _neighbours(shift: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean shift about each square, ``(R, C, 2)``; 0 where nobody knows anything."""
    planes = torch.cat([weight[None], (weight[..., None] * shift).permute(2, 0, 1)])
    for _ in range(_MEANS):
        planes = torch.nn.functional.avg_pool2d(planes, 3, 1, 1, count_include_pad=False)
    return (planes[1:] / (planes[:1] + _LEAST_WEIGHT)).permute(1, 2, 0)
