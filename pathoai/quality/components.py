"""Connected groups of cells: which are too small to be an artefact, and what shape others have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT = np.ones((3, 3), bool)
_LEAST_LENGTH_UM = 500.0
# Standard deviation across: a line of one or two cells.
_LARGEST_WIDTH_CELLS = 1.0
_DEVIATIONS_PER_LENGTH = 12**0.5


def grown(
    seeds: NDArray[np.bool_], possible: NDArray[np.bool_], least_cells: int
) -> NDArray[np.bool_]:
    """Groups of possible cells that hold a seed and are large enough (hysteresis, Canny 1986).

    Args:
        seeds: ``(H, W)`` bool, cells that are surely part of the artefact.
        possible: ``(H, W)`` bool, cells that may be.
        least_cells: Smaller groups are chance.
    """
    labels, count = ndimage.label(possible | seeds, _EIGHT)
    keep = np.bincount(labels[seeds], minlength=count + 1) > 0
    keep &= np.bincount(labels.ravel(), minlength=count + 1) >= least_cells
    keep[0] = False
    return np.asarray(keep[labels])


def masked_mean(
    values: NDArray[np.float32], mask: NDArray[np.bool_], side: int
) -> NDArray[np.float32]:
    """Mean over the cells of a mask within a square window; 0 where there are none.

    Args:
        values: ``(H, W)`` float32.
        mask: ``(H, W)`` bool.
        side: Of the window, cells.
    """
    weight = ndimage.uniform_filter(mask.astype(np.float32), side, mode="constant")
    total = ndimage.uniform_filter(np.where(mask, values, 0), side, mode="constant")
    # Running sums leave traces of 1e-7 where there is nothing.
    return np.where(weight > 0.5 / side**2, total / np.maximum(weight, 1e-9), 0).astype(np.float32)


def straight_lines(line: NDArray[np.bool_], cell_um: float) -> NDArray[np.bool_]:
    """Those lines that are long and straight, as no structure of tissue or bubble is.

    Args:
        line: ``(H, W)`` bool, cells that a line crosses.
        cell_um: Side of a cell, µm.
    """
    # A line that runs along the border between two rows of cells may skip one.
    closed = ndimage.binary_closing(np.pad(line, 2), _EIGHT)[2:-2, 2:-2]
    labels, count = ndimage.label(closed, _EIGHT)
    size = _extents(labels, count)
    length_um = size[:, 0] * _DEVIATIONS_PER_LENGTH * cell_um
    is_straight = (length_um >= _LEAST_LENGTH_UM) & (size[:, 1] <= _LARGEST_WIDTH_CELLS)
    return np.asarray(np.concatenate([[False], is_straight])[labels])


def _extents(labels: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """Standard deviations of groups along and across their main axes, ``(count, 2)``, cells."""
    found = np.zeros((count, 2))
    for index, window in enumerate(ndimage.find_objects(labels)):
        places = np.argwhere(labels[window] == index + 1)
        if len(places) > 1:
            variance = np.linalg.eigvalsh(np.cov(places.T))
            found[index] = np.sqrt(np.maximum(variance[::-1], 0))
    return found
