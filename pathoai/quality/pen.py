"""Pen ink over tissue.

Optical densities of layers add (Beer and Lambert): under ink a cell is denser in red than any
stain makes it, for blue, green and black ink, or in green and blue together, for red ink.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.quality.cells import Measurements
from pathoai.quality.components import grown

# Hematoxylin absorbs 0.9 times as much red as green, at most 1.2 on a blue counterstain, which is
# pale; in natural logarithms, tissue seldom passes a density of 1 in red.
_RED_PER_GREEN = 1.05
_DENSE = 1.15
_FAINT_RED_PER_GREEN = 0.95
_FAINT_DENSE = 0.8
# Red ink: darker than blood, and clear in red.
_RED_INK_GREEN = 2.3
_RED_INK_RED_PER_GREEN = 0.25
_RED_INK_BLUE_PER_GREEN = 0.6
_LEAST_CELLS = 6


def find_pen(cells: Measurements, tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells under blue, green or red ink, ``(H, W)`` bool.

    Args:
        cells: What was measured.
        tissue: ``(H, W)`` bool.
    """
    red, green, blue = cells.density
    cool = (red > _RED_PER_GREEN * green) & (red > _DENSE)
    faint = (red > _FAINT_RED_PER_GREEN * green) & (red > _FAINT_DENSE)
    warm = (
        (green > _RED_INK_GREEN)
        & (red < _RED_INK_RED_PER_GREEN * green)
        & (blue > _RED_INK_BLUE_PER_GREEN * green)
    )
    return grown((cool | warm) & tissue, faint & tissue, _LEAST_CELLS)
