"""Where the correlation of squares is highest."""

from __future__ import annotations

import torch


def peaks(volume: torch.Tensor, reach: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The highest correlation of each square, to a part of a pixel.

    Args:
        volume: ``(S, S, R, C)``, S = 2 * reach + 1: of R × C squares at each shift, rows first.
        reach: Largest shift along either axis, pixels.

    Returns:
        Shift ``(R, C, 2)`` as x and y, the correlation there ``(R, C)``, and by how much it falls
        one pixel away ``(R, C)``.
    """
    side = 2 * reach + 1
    shape = volume.shape[2:]
    flat = volume.reshape(side * side, -1)
    height, best = flat.max(dim=0)
    row, column = best // side, best % side
    at = torch.arange(flat.shape[1], device=flat.device)
    whole = volume.reshape(side, side, -1)

    def near(dy: int, dx: int) -> torch.Tensor:
        return whole[(row + dy).clamp(0, side - 1), (column + dx).clamp(0, side - 1), at]

    x, bend_x = _parabola(near(0, -1), height, near(0, 1))
    y, bend_y = _parabola(near(-1, 0), height, near(1, 0))
    shift = torch.stack([column + x - reach, row + y - reach], dim=-1)
    distinct = torch.minimum(bend_x, bend_y)
    return shift.view(*shape, 2), height.view(shape), distinct.view(shape)


def _parabola(
    below: torch.Tensor, here: torch.Tensor, above: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a parabola through three neighbours is highest, -0.5 to 0.5, and how it falls."""
    bend = (here - (below + above) / 2).clamp_min(0)
    return ((above - below) / (4 * bend + 1e-6)).clamp(-0.5, 0.5), bend
