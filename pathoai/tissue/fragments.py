"""From pixels that look like tissue to pieces of tissue: gaps closed, crumbs dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.blocks import in_blocks
from pathoai.tissue.pieces import Pieces


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
        thinnest_px, closing_px = round(self.thinnest_um / mpp / 2), round(self.closing_um / mpp)

        def mended(part: NDArray[Any]) -> NDArray[np.bool_]:
            return closed(opened(part, thinnest_px), closing_px)

        mask = in_blocks(mended, mask, 2 * (thinnest_px + closing_px), np.bool_)
        pieces = Pieces(mask, corners=True)
        mask = pieces.selected(pieces.area_px * pixel_mm2 >= self.smallest_fragment_mm2)
        return filled(mask, self.largest_hole_mm2 / pixel_mm2)


def closed(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Close gaps up to twice a reach; the image's border is not taken for glass."""
    return eroded(dilated(mask, reach_px), reach_px)


def opened(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Take away what is narrower than twice a reach; the image's border is not taken for glass."""
    return dilated(eroded(mask, reach_px), reach_px)


def dilated(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Add a reach to every piece."""
    return _dilated_down(_dilated_down(mask, reach_px).T, reach_px).T


def eroded(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Take a reach off every piece; the image's border is not taken for glass."""
    return ~dilated(~mask, reach_px)


def _dilated_down(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Whether any pixel within reach along the first axis is set; windows double until they fit."""
    found, window, wanted = np.pad(mask, ((reach_px, reach_px), (0, 0))), 1, 2 * reach_px + 1
    while window < wanted:
        step = min(window, wanted - window)
        found = found[:-step] | found[step:]
        window += step
    return found


def filled(mask: NDArray[np.bool_], largest_hole_px: float) -> NDArray[np.bool_]:
    """Fill holes up to a size; glass that reaches the image's border is no hole."""
    holes = Pieces(~mask, corners=False)
    found = holes.selected((holes.area_px <= largest_hole_px) & ~holes.at_border)
    found |= mask
    return found
