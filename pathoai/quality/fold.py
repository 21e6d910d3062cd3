"""Tissue folded over itself: twice the section, so twice the density of every stain.

After Bautista PA, Yagi Y. Detection of tissue folds in whole slide images. Conf Proc IEEE Eng Med
Biol Soc 2009: folds are where saturation exceeds luminance. In density this is the amount of eosin
and of hematoxylin, both against their surroundings: crowded nuclei raise the one, keratin, muscle
and collagen the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.quality.cells import Measurements
from pathoai.quality.components import grown, masked_mean

# Hematoxylin's green per red (Ruifrok & Johnston 2001: 0.704 / 0.650); eosin absorbs no red.
_HEMATOXYLIN_GREEN_PER_RED = 1.08
_LEAST_EOSIN = 0.01
_LEAST_STAINED = 0.4
# DAB absorbs blue most: brown nests are a result, not a fold.
_BROWN_BLUE_PER_GREEN = 0.9
_SMOOTHING_CELLS = 3
_SURROUNDINGS_UM = 500.0
_FOLDED = 1.55
_MAYBE_FOLDED = 1.3
# Hematoxylin varies more than eosin: tissue without nuclei has folds too.
_HEMATOXYLIN_WEIGHT = 1 / 0.7
_LEAST_UM2 = 4_000.0
# Area per squared largest half width: π for a disc, 4 × length / width for a ribbon.
_LEAST_ELONGATION = 6.0


def find_folds(cells: Measurements, tissue: NDArray[np.bool_], cell_um: float) -> NDArray[np.bool_]:
    """Cells in folds, ``(H, W)`` bool.

    Args:
        cells: What was measured.
        tissue: ``(H, W)`` bool, without what is already known to be pen.
        cell_um: Side of a cell, µm.
    """
    if not tissue.any():
        return np.zeros_like(tissue)
    red, green, blue = cells.density
    eosin = np.maximum(green - _HEMATOXYLIN_GREEN_PER_RED * red, _LEAST_EOSIN)
    side = 2 * round(_SURROUNDINGS_UM / cell_um / 2) + 1
    # Lumina and clefts are tissue, but must not make what surrounds them look thick.
    stained = tissue & (green > _LEAST_STAINED * np.median(green[tissue]))
    excess = np.minimum(
        _excess(eosin, stained, side), _HEMATOXYLIN_WEIGHT * _excess(red, stained, side)
    )
    possible = stained & (blue < _BROWN_BLUE_PER_GREEN * green)
    least_cells = max(1, round(_LEAST_UM2 / cell_um**2))
    dense = grown(possible & (excess > _FOLDED), possible & (excess > _MAYBE_FOLDED), least_cells)
    return _ribbons(dense)


def _excess(
    stain: NDArray[np.float32], tissue: NDArray[np.bool_], side: int
) -> NDArray[np.float32]:
    """A stain against its surroundings and against the slide, whichever says less."""
    smooth = masked_mean(stain, tissue, _SMOOTHING_CELLS)
    around = np.maximum(masked_mean(stain, tissue, side), np.float32(_LEAST_EOSIN))
    usual = max(float(np.median(stain[tissue])), _LEAST_EOSIN)
    return np.asarray(np.minimum(smooth / around, smooth / np.float32(usual)))


def _ribbons(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those groups of cells that are long for their width."""
    labels, count = ndimage.label(mask, np.ones((3, 3), bool))
    if not count:
        return mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    index = np.arange(1, count + 1)
    widest = np.asarray(ndimage.maximum(depth, labels, index))
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    keep = np.concatenate([[False], area >= _LEAST_ELONGATION * widest**2])
    return np.asarray(keep[labels])
