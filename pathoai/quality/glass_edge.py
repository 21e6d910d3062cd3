"""The edge of the slide and of its coverslip: black bands, and long straight lines."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.quality.cells import Measurements, cell_means
from pathoai.quality.components import grown, straight_lines
from pathoai.quality.rim import RIM_SHARE

_BLACK = 1.4
_LEAST_PER_MOST = 0.78
_BLACK_SHARE = 0.5
_LEAST_CELLS = 8


def black_share(density: torch.Tensor, cell_px: int) -> torch.Tensor:
    """Share of black pixels: all colours absorbed, and alike.

    Args:
        density: ``(N, 3, H, W)`` floating point, optical density (natural logarithm).
        cell_px: Side of a cell.

    Returns:
        ``(N, 1, H / cell_px, W / cell_px)``.
    """
    least, most = density.amin(dim=1, keepdim=True), density.amax(dim=1, keepdim=True)
    is_black = (least > _BLACK) & (least > _LEAST_PER_MOST * most)
    return cell_means(is_black.to(density.dtype), cell_px)


def find_glass_edges(
    cells: Measurements, tissue: NDArray[np.bool_], cell_um: float
) -> NDArray[np.bool_]:
    """Cells under the edge of the slide or of a coverslip, ``(H, W)`` bool.

    Args:
        cells: What was measured.
        tissue: ``(H, W)`` bool.
        cell_um: Side of a cell, µm.
    """
    black = cells.black > _BLACK_SHARE
    return tissue & (
        grown(black, black, _LEAST_CELLS) | straight_lines(cells.rim > RIM_SHARE, cell_um)
    )
