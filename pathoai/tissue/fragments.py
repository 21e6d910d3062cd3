"""From pixels that look like tissue to pieces of tissue: gaps closed, crumbs dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_STRIP_ROWS = 256
_EIGHT = np.ones((3, 3), bool)
"""Pieces that touch at a corner are one piece; holes that do are two."""


@dataclass(frozen=True, slots=True)
class FragmentPolicy:
    """What counts as a piece of tissue.

    Args:
        closing_um: Gaps up to twice this are bridged.
        largest_hole_mm2: Holes up to this are filled: lumina, vessels, cracks.
        smallest_fragment_mm2: Pieces below are crumbs and dust.
        thinnest_um: What is narrower is a fibre, a scratch or the edge of a coverslip.
    """

    closing_um: float
    largest_hole_mm2: float
    smallest_fragment_mm2: float
    thinnest_um: float = 0.0

    def apply(self, mask: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
        """The pieces of tissue in a mask, ``(H, W)`` bool.

        Args:
            mask: ``(H, W)`` bool.
            mpp: Its scale, µm per pixel.
        """
        pixel_mm2 = (mpp / 1000) ** 2
        mask = opened(mask, round(self.thinnest_um / mpp / 2))
        mask = closed(mask, round(self.closing_um / mpp))
        labels, count = labelled(mask)
        area_px = totals(labels, count)
        keep = area_px * pixel_mm2 >= self.smallest_fragment_mm2
        keep[0] = False
        return filled(keep[labels], self.largest_hole_mm2 / pixel_mm2)


def labelled(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the pieces: ``(H, W)`` int32, 0 outside, and how many there are."""
    labels, count = ndimage.label(mask, _EIGHT, output=np.int32)
    return labels, int(count)


def totals(
    labels: NDArray[np.int32], count: int, values: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Sums over each piece.

    Args:
        labels: ``(H, W)`` int32, numbers of pieces.
        count: How many pieces there are.
        values: ``(H, W)`` float32, what is summed; pixels are counted if left out.

    Returns:
        ``(count + 1,)`` float64; the first is the sum over what is outside pieces.
    """
    found = np.zeros(count + 1)
    # In strips: NumPy would make 64-bit copies of the whole picture.
    for top in range(0, labels.shape[0], _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        weights = None if values is None else values[rows].ravel()
        found += np.bincount(labels[rows].ravel(), weights, minlength=count + 1)
    return found


def closed(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Close gaps up to twice a reach; the image's border is not taken for glass."""
    return eroded(dilated(mask, reach_px), reach_px)


def opened(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Take away what is narrower than twice a reach; the image's border is not taken for glass."""
    return dilated(eroded(mask, reach_px), reach_px)


def dilated(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Add a reach to every piece."""
    return np.asarray(ndimage.maximum_filter(mask.view(np.uint8), 2 * reach_px + 1).view(bool))


def eroded(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Take a reach off every piece; the image's border is not taken for glass."""
    return np.asarray(ndimage.minimum_filter(mask.view(np.uint8), 2 * reach_px + 1).view(bool))


def filled(mask: NDArray[np.bool_], largest_hole_px: float) -> NDArray[np.bool_]:
    """Fill holes up to a size; glass that reaches the image's border is no hole."""
    holes, count = ndimage.label(~mask, output=np.int32)
    fill = totals(holes, count) <= largest_hole_px
    for edge in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        fill[edge] = False
    fill[0] = True
    return np.asarray(fill[holes])
