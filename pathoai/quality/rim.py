"""Thin dark lines without colour: light bent away at the rim of a bubble or of the coverslip.

Stains absorb the three colours in different amounts, refraction takes all alike.
"""

from __future__ import annotations

import torch

from pathoai.quality.cells import cell_means, gaussian

RIM_SHARE = 0.08
"""Share of a cell's pixels that one thin line across it takes; sharp tissue has 0.05 at most."""

_SURROUNDINGS_UM = 8.0
_EXCESS = 0.35
_LEAST_PER_MOST = 0.7


def rim_share(density: torch.Tensor, working_mpp: float, cell_px: int) -> torch.Tensor:
    """Share of pixels on such lines.

    Args:
        density: ``(N, 3, H, W)`` floating point, optical density (natural logarithm).
        working_mpp: Its scale, µm per pixel.
        cell_px: Side of a cell.

    Returns:
        ``(N, 1, H / cell_px, W / cell_px)``.
    """
    excess = density - gaussian(density, _SURROUNDINGS_UM / working_mpp)
    least, most = excess.amin(dim=1, keepdim=True), excess.amax(dim=1, keepdim=True)
    on_line = (least > _EXCESS) & (least > _LEAST_PER_MOST * most)
    return cell_means(on_line.to(density.dtype), cell_px)
