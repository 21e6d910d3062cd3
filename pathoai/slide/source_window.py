"""Which pixels of a raster make a block of another, and the block they make.

Each output pixel is the mean of the source under a triangle of the output pixel's own width
(antialiased linear interpolation; 8-bit rounding between the axes, by Pillow). Weights depend only
on the absolute position, so that blocks side by side leave no seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Size

_SAME_SCALE = 1e-6
_SAME_PLACE_PX = 1e-3


@dataclass(frozen=True, slots=True)
class SourceWindow:
    """The source pixels that a block needs, its neighbours for antialiasing included.

    Args:
        x_px: Left edge in source pixels; may be negative.
        y_px: Top edge likewise.
        span_px: Size, likewise.
        box: Left, top, right and bottom of the block itself, from the window's corner.
        size_px: Size of the block in its own pixels.
    """

    x_px: int
    y_px: int
    span_px: Size
    box: tuple[float, float, float, float]
    size_px: Size

    @classmethod
    def of(
        cls, left: float, top: float, size_px: Size, *, ratio_x: float, ratio_y: float
    ) -> SourceWindow:
        """The window of a block.

        Args:
            left: Where the block starts, in source pixels.
            top: Likewise.
            size_px: Of the block, in its own pixels.
            ratio_x: Source pixels per pixel of the block.
            ratio_y: Likewise.
        """
        x, width, x0, x1 = _reach(left, size_px.width, ratio_x)
        y, height, y0, y1 = _reach(top, size_px.height, ratio_y)
        return cls(x, y, Size(width, height), (x0, y0, x1, y1), size_px)

    def resampled(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The block ``(h, w, 3)`` uint8 that the window's pixels ``(h, w, 3)`` uint8 make."""
        size = (self.size_px.width, self.size_px.height)
        if self.box == (0.0, 0.0, float(size[0]), float(size[1])):
            return pixels
        image = Image.fromarray(pixels)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=self.box))


def _reach(start: float, count: int, ratio: float) -> tuple[int, int, float, float]:
    """The first source pixel that output pixels need, how many, and where in them these lie."""
    if abs(ratio - 1) < _SAME_SCALE and abs(start - round(start)) < _SAME_PLACE_PX:
        return round(start), count, 0.0, float(count)
    margin = max(ratio, 1.0) + 1
    first = math.floor(start - margin)
    stop = start + count * ratio
    return first, math.ceil(stop + margin) - first, start - first, stop - first
