"""Coarser levels of an array, each pixel made of a square of pixels of the level below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size

_COARSEST_SIDE_PX = 512


def level_factors(size_px: Size, first: Sequence[int] = (1,)) -> tuple[int, ...]:
    """Store pixels per pixel of each level: those given, then doubled until 512 px a side.

    Args:
        size_px: Of the finest level.
        first: Factors of the levels that exist anyway, finest first.
    """
    factors = list(first)
    while max(size_px.width, size_px.height) / factors[-1] > _COARSEST_SIDE_PX:
        factors.append(factors[-1] * 2)
    return tuple(factors)


def block_mean(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """The average of each ``step`` × ``step`` square, for images; halves round up.

    Args:
        pixels: ``(…, step h, step w)`` uint8.
        step: Up to 256, so that sums fit.
    """
    if step == 2:
        return _mean_of_four(pixels)
    total = np.zeros((*pixels.shape[:-2], pixels.shape[-2] // step, pixels.shape[-1] // step), "u4")
    for y, x in np.ndindex(step, step):
        total += pixels[..., y::step, x::step]
    area = step * step
    return ((total + area // 2) // area).astype(np.uint8)


def _mean_of_four(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pairs = np.add(pixels[..., 0::2, :], pixels[..., 1::2, :], dtype=np.uint16, order="C")
    # Two neighbours seen as one number: numpy is quick only along whole rows.
    both = pairs.view(np.uint32)
    total = (both & 0xFFFF) + (both >> 16)
    total += 2
    total >>= 2
    return total.astype(np.uint8)


def halved(pixels: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """A picture at half its scale, each pixel the mean of up to four; halves round up.

    ``block_mean`` for interleaved colours, which the codecs give and take, at the edge the mean of
    what is there.

    Args:
        pixels: ``(h, w, 3)`` uint8.
        out: Where the result shall go; without, it is a new array.

    Returns:
        ``(ceil(h / 2), ceil(w / 2), 3)`` uint8.
    """
    height, width = pixels.shape[0] % 2, pixels.shape[1] % 2
    if height or width:
        # The mean of two pixels is that of four, each twice.
        pixels = np.pad(pixels, ((0, height), (0, width), (0, 0)), mode="edge")
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    rows = pixels.reshape(2 * height, 6 * width)
    pairs = np.add(rows[0::2], rows[1::2], dtype=np.uint16)
    # All neighbours are added, half of them in vain: numpy is quick only along whole rows.
    total = pairs[:, :-3] + pairs[:, 3:]
    total += 2
    total >>= 2
    out = np.empty((height, width, 3), np.uint8) if out is None else out
    for colour in range(3):
        out[:, :, colour] = total[:, colour::6]
    return out


def first_of_block(pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """The top left of each square, for classes and instances, which have no average."""
    return np.ascontiguousarray(pixels[..., ::step, ::step])
