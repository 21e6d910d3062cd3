"""Blending overlapping tiles: each pixel is the weighted mean of every tile that saw it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def blending_window(size_px: int) -> NDArray[np.float32]:
    """Weights of a tile, ``(size, size)`` float32: high in the middle, small but never 0 outside.

    A raised cosine along each axis, so that a tile fades out where the next one takes over.
    """
    position = (np.arange(size_px) + 0.5) / size_px
    profile = np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * position), 1e-3)
    return np.outer(profile, profile).astype(np.float32)


class BlendedBlock:
    """A block of the output under construction: the sums of w·p and of w.

    Args:
        channels: Channels of the probabilities.
        x_px: Left edge of the block, in pixels of the output.
        y_px: Top edge likewise.
        width_px: Width likewise.
        height_px: Height likewise.
    """

    def __init__(
        self, channels: int, *, x_px: int, y_px: int, width_px: int, height_px: int
    ) -> None:
        """Start from nothing."""
        self._x, self._y = x_px, y_px
        self._sum = np.zeros((channels, height_px, width_px), np.float32)
        self._weight = np.zeros((height_px, width_px), np.float32)

    def add(
        self, x_px: int, y_px: int, probabilities: NDArray[np.float32], window: NDArray[np.float32]
    ) -> None:
        """Add what a tile says; parts outside the block are left to the neighbouring blocks.

        Args:
            x_px: Left edge of the tile, in pixels of the output.
            y_px: Top edge likewise.
            probabilities: ``(channels, size, size)`` float32.
            window: ``(size, size)`` float32.
        """
        size = window.shape[0]
        height, width = self._weight.shape
        left, top = max(x_px, self._x), max(y_px, self._y)
        right, bottom = min(x_px + size, self._x + width), min(y_px + size, self._y + height)
        if left >= right or top >= bottom:
            return
        inside = np.s_[top - y_px : bottom - y_px, left - x_px : right - x_px]
        here = np.s_[top - self._y : bottom - self._y, left - self._x : right - self._x]
        self._sum[:, here[0], here[1]] += probabilities[:, inside[0], inside[1]] * window[inside]
        self._weight[here] += window[inside]

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Blended probabilities ``(channels, h, w)`` float32, and which pixels any tile saw."""
        seen = self._weight > 0
        blended = self._sum / np.where(seen, self._weight, np.float32(1))
        return blended.astype(np.float32), seen
