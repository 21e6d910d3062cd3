"""Which pixels of a raster make a block of another, and the block they make.

Each output pixel is the mean of the source under a triangle of the output pixel's own width
(antialiased linear interpolation; 8-bit rounding between the axes, by Pillow). Weights depend only
on the absolute position, so that blocks side by side leave no seam.
Half the scale is so common that its four weights are computed directly: four times as fast as by
Pillow, and rounded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Size

_SAME_SCALE = 1e-6
_BAND_ROWS = 64
"""Rows that are resampled at once: what lies between fits the processor's second cache."""
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
        if self.box == (1.0, 1.0, 2.0 * size[0] + 1, 2.0 * size[1] + 1):
            return _at_half(pixels)
        image = Image.fromarray(pixels)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=self.box))


def _reach(start: float, count: int, ratio: float) -> tuple[int, int, float, float]:
    """The first source pixel that output pixels need, how many, and where in them these lie."""
    on_pixel = abs(start - round(start)) < _SAME_PLACE_PX
    if abs(ratio - 1) < _SAME_SCALE and on_pixel:
        return round(start), count, 0.0, float(count)
    if abs(ratio - 2) < _SAME_SCALE and on_pixel:
        return round(start) - 1, 2 * count + 2, 1.0, 2.0 * count + 1
    margin = max(ratio, 1.0) + 1
    first = math.floor(start - margin)
    stop = start + count * ratio
    return first, math.ceil(stop + margin) - first, start - first, stop - first


def _at_half(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels ``(2 h + 2, 2 w + 2, 3)`` uint8 at half their scale: ``(h, w, 3)`` uint8.

    A triangle two pixels wide on either side of the middle between two pixels has the weights
    1, 3, 3, 1 (of 8) along each axis.
    """
    height, width = pixels.shape[0] // 2 - 1, pixels.shape[1] // 2 - 1
    rows = np.ascontiguousarray(pixels).reshape(2 * height + 2, 6 * width + 6)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        band = out[top : top + _BAND_ROWS]
        source = rows[2 * top : 2 * (top + len(band)) + 2]
        # All neighbours are summed, half of them in vain: numpy is quick only along whole rows.
        total = _one_three_three_one(*(source[i : i + 2 * len(band) : 2] for i in range(4)))
        total = _one_three_three_one(*(total[:, 3 * i : 6 * width + 3 * i - 3] for i in range(4)))
        total += 32
        total >>= 6
        for colour in range(3):
            band[:, :, colour] = total[:, colour::6]
    return out


def _one_three_three_one(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    third: NDArray[np.integer],
    fourth: NDArray[np.integer],
) -> NDArray[np.uint16]:
    """The weighted sum of uint8, or of such sums: 64 times 255 fits."""
    total: NDArray[np.uint16] = np.add(second, third, dtype=np.uint16)
    total *= 3
    total += first
    total += fourth
    return total
