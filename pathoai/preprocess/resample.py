"""Resampling to a requested scale, in batches on the device, without seams.

Each output pixel is a weighted mean of the source under a triangle of the output pixel's width
(antialiased linear interpolation). Weights depend only on the absolute position, so a slide
resampled block by block equals the slide resampled whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Taps:
    """Which source pixels make each output pixel along one axis.

    Args:
        first_px: First source pixel that is needed at all.
        length_px: How many, from the first.
        index: ``(output, taps)`` int64, counted from ``first_px``.
        weight: ``(output, taps)`` float32, each row sums to 1.
    """

    first_px: int
    length_px: int
    index: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def between(cls, start_px: int, count: int, ratio: float) -> Taps:
        """Taps for consecutive output pixels.

        Args:
            start_px: The first output pixel, counted from the slide's edge.
            count: How many.
            ratio: Source pixels per output pixel, 1 or more.
        """
        # Pixel centres: output pixel i covers source positions around (i + 1/2) ratio - 1/2.
        centre = (np.arange(start_px, start_px + count) + 0.5) * ratio - 0.5
        reach = max(ratio, 1.0)
        taps = math.ceil(2 * reach) + 1
        left = np.floor(centre - reach).astype(np.int64) + 1
        index = left[:, None] + np.arange(taps)
        weight = np.maximum(0.0, 1.0 - np.abs(index - centre[:, None]) / reach)
        weight /= weight.sum(axis=1, keepdims=True)
        first = int(index.min())
        return cls(first, int(index.max()) - first + 1, index - first, weight.astype(np.float32))

    @classmethod
    def side_by_side(cls, parts: Sequence[Taps]) -> Taps:
        """Taps of several blocks whose source pixels lie one after the other in one array."""
        starts = np.cumsum([0, *(part.length_px for part in parts)])
        index = [part.index + start for part, start in zip(parts, starts, strict=False)]
        weight = np.concatenate([part.weight for part in parts])
        return cls(parts[0].first_px, int(starts[-1]), np.concatenate(index), weight)


def _along(batch: torch.Tensor, taps: Taps, dim: int) -> torch.Tensor:
    index = torch.from_numpy(taps.index).to(batch.device)
    weight = torch.from_numpy(taps.weight).to(batch.device)
    shape = [1] * batch.ndim
    shape[dim] = -1
    total = torch.zeros(())
    for tap in range(index.shape[1]):
        term = batch.index_select(dim, index[:, tap]) * weight[:, tap].view(shape)
        total = term if tap == 0 else total + term
    return total


def resample(batch: torch.Tensor, rows: Taps, columns: Taps) -> torch.Tensor:
    """Resample blocks that share their taps; see ``Taps.side_by_side`` for blocks that do not.

    Args:
        batch: ``(N, 3, rows.length_px, columns.length_px)`` uint8.
        rows: Taps along y.
        columns: Taps along x.

    Returns:
        ``(N, 3, output rows, output columns)`` uint8 on the same device.
    """
    pixels = _along(batch.float(), rows, 2)
    return _along(pixels, columns, 3).round_().clamp_(0, 255).to(torch.uint8)
