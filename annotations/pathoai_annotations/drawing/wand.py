"""The wand: what looks like the place under the cursor, and hangs together with it.

Own method, in the manner of the wands of QuPath and ImageJ: colours are smoothed, so that texture
counts for little, and how far a colour may lie from that of the seed follows from how much pixels
vary about the seed. A stroke of the wand is the union of such regions, each within a disc about
the cursor, so that the reader sees it grow and stops where he wants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import InvalidValueError

REACH_PX = 72
"""Radius of the disc that one step of the wand can fill, in pixels of the screen."""
NARROW_PX = 8
"""The same where the wand must not grow."""
WINDOW_PX = 2 * REACH_PX + 1
_SMOOTH_PX = 1.5
_NOISE_PX = 6
"""Radius of the surroundings in which the variation of pixels is measured."""
_LEAST_NOISE = 4.0
"""Grey values: of a flat picture, so that JPEG's own noise does not stop the wand."""
_NOISES = 3.0
"""Colours may lie so many times the variation apart, at a sensitivity of 1."""
_MAD_TO_SD = 1.4826
"""A normal variable's standard deviation, by its median absolute deviation."""
_LARGEST_SENSITIVITY = 10.0


def wand(
    pixels: NDArray[np.uint8],
    seed: tuple[int, int],
    sensitivity: float = 1.0,
    *,
    reach_px: int = REACH_PX,
) -> NDArray[np.bool_]:
    """The region about a pixel whose colours are like that pixel's.

    Args:
        pixels: ``(height, width, 3)`` uint8 RGB, the picture about the cursor.
        seed: x and y of the pixel under the cursor, within the picture.
        sensitivity: How far colours may lie apart, above 0 to 10: 1 is three times as far as pixels
            about the seed vary, 2 twice as much.
        reach_px: Radius of the disc about the seed that is looked at.

    Returns:
        ``(height, width)`` bool; the seed is true, holes are filled, and all hangs together.

    Raises:
        InvalidValueError: The seed lies outside, or the sensitivity is none.
    """
    _check(pixels.shape, seed, sensitivity)
    (height, width), (x, y) = pixels.shape[:2], seed
    colours = pixels.astype(np.float32)
    smooth = ndimage.gaussian_filter(colours, (_SMOOTH_PX, _SMOOTH_PX, 0))
    noise = _noise_about(colours - smooth, x, y)
    apart = np.sqrt(np.square((smooth - smooth[y, x]) / noise).mean(axis=2))
    rows, columns = np.ogrid[:height, :width]
    in_reach = np.hypot(rows - y, columns - x) <= reach_px
    regions, _ = ndimage.label((apart <= _NOISES * sensitivity) & in_reach)
    region = regions == regions[y, x]
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(region)
    return filled


def _check(shape: tuple[int, ...], seed: tuple[int, int], sensitivity: float) -> None:
    height, width = shape[:2]
    x, y = seed
    if not (0 <= x < width and 0 <= y < height):
        raise InvalidValueError(
            "seed of the wand", found=f"{x}, {y}", allowed=f"within {width} × {height} pixels"
        )
    if not 0 < sensitivity <= _LARGEST_SENSITIVITY:
        raise InvalidValueError(
            "sensitivity of the wand",
            found=sensitivity,
            allowed=f"above 0 to {_LARGEST_SENSITIVITY:g}",
        )


def _noise_about(residual: NDArray[np.float32], x: int, y: int) -> NDArray[np.float64]:
    """How much pixels vary about a place beside the smooth picture, for each channel."""
    rows = slice(max(y - _NOISE_PX, 0), y + _NOISE_PX + 1)
    columns = slice(max(x - _NOISE_PX, 0), x + _NOISE_PX + 1)
    near = residual[rows, columns].reshape(-1, residual.shape[2])
    deviation = np.median(np.abs(near), axis=0) * _MAD_TO_SD
    return np.maximum(deviation, _LEAST_NOISE)
