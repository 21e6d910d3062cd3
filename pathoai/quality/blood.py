"""Pools of blood: red cells have the colour of hemoglobin and eosin, and hardly any nuclei.

Hemoglobin absorbs blue almost as much as green and lets red through; connective tissue in eosin
absorbs less blue, nuclei absorb red.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.quality.cells import Measurements
from pathoai.quality.components import grown, masked_mean

_DENSE = 0.85
_BLUE_PER_GREEN = 0.66
_RED_PER_GREEN = 0.28
_SMOOTHING_CELLS = 3
_LEAST_UM2 = 5_000.0


def find_blood(cells: Measurements, tissue: NDArray[np.bool_], cell_um: float) -> NDArray[np.bool_]:
    """Cells full of blood, ``(H, W)`` bool; capillaries are smaller, and no artefact.

    Args:
        cells: What was measured.
        tissue: ``(H, W)`` bool.
        cell_um: Side of a cell, µm.
    """
    red, green, blue = (masked_mean(plane, tissue, _SMOOTHING_CELLS) for plane in cells.density)
    hue = (blue > _BLUE_PER_GREEN * green) & (red < _RED_PER_GREEN * green)
    found = tissue & hue & (green > _DENSE)
    return grown(found, found, max(1, round(_LEAST_UM2 / cell_um**2)))
