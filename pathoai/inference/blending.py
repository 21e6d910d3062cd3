"""Blending overlapping tiles: each pixel is the weighted mean of every tile that saw it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def blending_window(size_px: int) -> NDArray[np.float32]:
    """Weights of a tile, ``(size, size)`` float32: high in the middle, small but never 0 outside.

    A raised cosine along each axis, so that a tile fades out where the next one takes over.
    """
    position = (np.arange(size_px) + 0.5) / size_px
    profile = np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * position), 1e-3)
    return np.outer(profile, profile).astype(np.float32)


class BlendedBlock:
    """A block of the output under construction: the sums of w·p and of w, on a device.

    The same tiles in the same order give the same bits, whatever block of them is blended.

    Args:
        channels: Channels of the probabilities.
        around: Rows and columns of the block, in pixels of the output.
        window: ``(size, size)`` float32, weights of a tile, on the device.
    """

    def __init__(self, channels: int, around: tuple[slice, slice], window: torch.Tensor) -> None:
        """Start from nothing."""
        rows, columns = around
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        self._x, self._y, self._window = columns.start, rows.start, window
        self._sum = torch.zeros((channels, *shape), device=window.device)
        self._weight = torch.zeros(shape, device=window.device)

    def add(self, x_px: int, y_px: int, probabilities: torch.Tensor) -> None:
        """Add what a tile says; parts outside the block are left to the neighbouring blocks.

        Args:
            x_px: Left edge of the tile, in pixels of the output.
            y_px: Top edge likewise.
            probabilities: ``(channels, size, size)`` float32, on the device.
        """
        size = len(self._window)
        height, width = self._weight.shape
        left, top = max(x_px, self._x), max(y_px, self._y)
        right, bottom = min(x_px + size, self._x + width), min(y_px + size, self._y + height)
        if left >= right or top >= bottom:
            return
        inside = np.s_[..., top - y_px : bottom - y_px, left - x_px : right - x_px]
        here = np.s_[..., top - self._y : bottom - self._y, left - self._x : right - self._x]
        weight = self._window[inside]
        # Two roundings, as in the definition: a fused operation is used only where it is at hand.
        self._sum[here] += probabilities[inside] * weight
        self._weight[here] += weight

    def finish(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Blended probabilities and which pixels any tile saw; nothing can be added afterwards.

        Returns:
            ``(channels, h, w)`` float32, 0 where no tile was, and ``(h, w)`` bool.
        """
        seen = self._weight > 0
        # In place: a shard of many channels is most of what is held in memory.
        return self._sum.div_(self._weight.masked_fill_(~seen, 1)), seen
