"""Local operations strip by strip, so that whole thumbnails never exist in floating point."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

_STRIP_ROWS = 512
_THREADS = 2
"""SciPy's filters run without the GIL; more strips at once would cost memory."""


def in_strips(
    operation: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    pixels: NDArray[np.uint8],
    margin_px: int,
) -> NDArray[np.float32]:
    """Apply a local operation to an image, a strip of rows at a time.

    Args:
        operation: From ``(h, W, 3)`` uint8 to ``(h, W)`` float32.
        pixels: ``(H, W, 3)`` uint8.
        margin_px: How far the operation looks; strips are read with that much around them, so
            that they leave no seam.

    Returns:
        ``(H, W)`` float32.
    """
    height, width = pixels.shape[:2]
    whole = np.empty((height, width), np.float32)

    def fill(top: int) -> None:
        bottom = min(top + _STRIP_ROWS, height)
        first = max(0, top - margin_px)
        found = operation(pixels[first : min(height, bottom + margin_px)])
        whole[top:bottom] = found[top - first : bottom - first]

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, range(0, height, _STRIP_ROWS)))
    return whole
