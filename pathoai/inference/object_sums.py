"""What is known of each numbered object: its area, and what the model says of its class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ObjectSums:
    """Sums over the pixels of each object, of any number of blocks.

    They are whole numbers, so that neither the order of the blocks nor their size matters.
    """

    def __init__(self, channels: int) -> None:
        """Start from no object.

        Args:
            channels: Of the probabilities: one for each class but background.
        """
        self._sums = np.zeros((1 + channels, 0), np.int64)

    def add(self, numbers: NDArray[np.uint32], probability: NDArray[np.uint8]) -> None:
        """Add a block.

        Args:
            numbers: ``(H, W)`` uint32, 0 outside objects.
            probability: ``(channels, H, W)`` uint8, 255 for certainty.
        """
        inside = numbers > 0
        which = numbers[inside].astype(np.int64) - 1
        if not len(which):
            return
        low, high = int(which.min()), int(which.max()) + 1
        if high > self._sums.shape[1]:
            grown = max(high, 2 * self._sums.shape[1])
            self._sums = np.pad(self._sums, [(0, 0), (0, grown - self._sums.shape[1])])
        for sums, weights in zip(self._sums, [None, *probability], strict=True):
            found = None if weights is None else weights[inside]
            sums[low:high] += np.bincount(which - low, found, high - low).astype(np.int64)

    @property
    def count(self) -> int:
        """The greatest number met."""
        met = np.flatnonzero(self._sums[0])
        return int(met[-1]) + 1 if len(met) else 0

    def area_px(self, rows: slice) -> NDArray[np.int64]:
        """Pixels of the objects whose numbers, less one, lie in a range, ``(n,)``."""
        return self._sums[0, rows]

    def channel(self, rows: slice) -> NDArray[np.int64]:
        """Their channels of largest mean probability, the first of equals, ``(n,)`` from 0."""
        return np.asarray(self._sums[1:, rows].argmax(axis=0))

    def share(self, rows: slice) -> NDArray[np.float32]:
        """These channels' shares of the probability of all channels, ``(n,)``."""
        sums = self._sums[1:, rows]
        return np.asarray(sums.max(axis=0) / np.maximum(sums.sum(axis=0), 1), np.float32)
