"""Air bubbles under the coverslip: a closed dark rim about tissue that is out of reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from pathoai.quality.cells import Measurements
from pathoai.quality.components import grown, straight_lines
from pathoai.quality.rim import RIM_SHARE

_LEAST_RIM_UM = 200.0
_LEAST_SPECK_CELLS = 3
_BRIDGED_CELLS = 2
_WIDENED = 2 * _BRIDGED_CELLS + 1
# A bubble half on glass is seen by half of its rim: glass has no pixels in a store.
_LEAST_ENCLOSED = 0.45
_LARGEST_MM2 = 10.0
_SMALLEST_MM2 = 0.005
# Of the square root of its area: 0.56 for a disc, 0.4 for half of one, 0.25 for a ribbon.
_LEAST_DEPTH = 0.3
# Of its convex hull: what lies outside a bubble has a bite or a hole where the bubble is.
_LEAST_SOLIDITY = 0.75
_CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
_EIGHT = np.ones((3, 3), bool)


def find_air_bubbles(
    cells: Measurements, tissue: NDArray[np.bool_], cell_um: float
) -> NDArray[np.bool_]:
    """Cells within air bubbles, their rims included, ``(H, W)`` bool.

    Args:
        cells: What was measured.
        tissue: ``(H, W)`` bool, without what is already known to be pen, which hides rims.
        cell_um: Side of a cell, µm.
    """
    line = cells.rim > RIM_SHARE
    line = grown(line, line, _LEAST_SPECK_CELLS) & ~straight_lines(line, cell_um)
    # A rim is a third of a cell wide: where it crosses corners, its cells may fall below the share.
    wide = ndimage.binary_dilation(line, _EIGHT, iterations=_BRIDGED_CELLS)
    rim = grown(line, wide, max(1, round(_WIDENED * _LEAST_RIM_UM / cell_um)))
    labels, count = ndimage.label(tissue & ~rim)
    inside = np.zeros_like(tissue)
    for index, area in enumerate(np.bincount(labels.ravel(), minlength=count + 1)[1:], start=1):
        is_sized = _SMALLEST_MM2 <= area * (cell_um / 1000) ** 2 <= _LARGEST_MM2
        if is_sized and _is_bubble(labels == index, rim):
            inside |= labels == index
    return np.asarray(
        tissue & ndimage.binary_dilation(inside, _EIGHT, iterations=_BRIDGED_CELLS + 1)
    )


def _is_bubble(piece: NDArray[np.bool_], rim: NDArray[np.bool_]) -> bool:
    """Whether a piece of tissue is round, and bounded by a rim over enough of its border."""
    # Padded: the border of the map bounds a piece like glass does.
    piece, rim = np.pad(piece, 1), np.pad(rim, 1)
    border = ndimage.binary_dilation(piece) & ~piece
    enclosed = (border & rim).sum() / max(1, border.sum())
    depth = float(ndimage.distance_transform_edt(piece).max())
    if enclosed < _LEAST_ENCLOSED or depth < _LEAST_DEPTH * np.sqrt(piece.sum()):
        return False
    corners = (np.argwhere(piece)[:, None] + _CORNERS).reshape(-1, 2)
    return bool(piece.sum() >= _LEAST_SOLIDITY * ConvexHull(corners).volume)
