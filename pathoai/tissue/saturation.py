"""Tissue by its colour: glass is colourless and stain is not, whatever the brightness of the lamp.

The signal is the largest minus the smallest optical density of red, green and blue. It is a ratio
of intensities, so a lamp, a shadow or a seam between camera fields does not show in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.blocks import Block, Picture, look_at_blocks
from pathoai.tissue.otsu import Bounds, above_threshold
from pathoai.tissue.planes import empty_plane


@dataclass(frozen=True, slots=True)
class Saturation:
    """Otsu's threshold on colourfulness.

    Args:
        bounds: Of the threshold, differences of optical density (base 10).
        smoothing_um: Deviation of the blur before colours are compared: camera noise is coloured.
    """

    bounds: Bounds
    smoothing_um: float = 4.0
    dtype = np.float16

    def margin_px(self, mpp: float) -> int:
        """How much of the picture must be shown around a block."""
        return margin_of(self.smoothing_um / mpp)

    def signal(self, block: Block, mpp: float) -> NDArray[np.float32]:
        """How colourful a block is, ``(h, w)`` float32."""
        return saturation_of(block, self.smoothing_um / mpp)

    def find(
        self,
        signal: NDArray[np.float16],
        foreign: NDArray[np.bool_],
        picture: Picture,
        mpp: float,
    ) -> NDArray[np.bool_]:
        """Where there is colour, ``(H, W)`` bool.

        Args:
            signal: ``(H, W)`` float16, of all blocks.
            foreign: ``(H, W)`` bool: ink and the like, neither glass nor tissue.
            picture: Not needed again.
            mpp: Scale of all, µm per pixel.
        """
        return above_threshold(signal, self.bounds, foreign)


def saturation_of(block: Block, sigma_px: float) -> NDArray[np.float32]:
    """Largest minus smallest optical density (base 10) of the channels, ``(h, w)`` float32.

    Args:
        block: The pixels.
        sigma_px: Deviation of the blur before.
    """
    densities = block.densities(sigma_px)
    return np.asarray(densities.max(axis=0) - densities.min(axis=0))


def margin_of(sigma_px: float) -> int:
    """How far a blur looks."""
    return int(4 * sigma_px) + 1


def saturation(picture: Picture, sigma_px: float, wanted: NDArray[np.bool_]) -> NDArray[np.float16]:
    """The same of a picture, ``(H, W)`` float16, in blocks with any wanted pixel; 0 elsewhere.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB.
        sigma_px: Deviation of the blur before.
        wanted: ``(H, W)`` bool.
    """
    found = empty_plane(picture.shape[:2], np.float16)

    def look(block: Block) -> None:
        found[block.place] = saturation_of(block, sigma_px)

    look_at_blocks(look, picture, margin_of(sigma_px), where=wanted)
    return found
