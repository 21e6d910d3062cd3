"""The order of training tiles, a pure function of seed and epoch: a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class SeededSampler(Sampler[int]):
    """Epochs of a fixed length, cut from an endless row of permutations of all tiles.

    An epoch is a stretch of training, not one pass over the tiles, so that small and large cohorts
    are checkpointed alike; every tile is still seen once before any is seen twice.

    Args:
        count: Number of tiles.
        epoch_length: Tiles per epoch and process.
        seed: Of the permutations.
        process: Number of this process among those that train together.
        processes: How many there are; together they see disjoint parts of the row.
    """

    def __init__(
        self, count: int, *, epoch_length: int, seed: int, process: int = 0, processes: int = 1
    ) -> None:
        """Start at epoch 0."""
        self._count = count
        self._length = epoch_length
        self._seed = seed
        self._process = process
        self._processes = processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning does before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Tiles per epoch and process."""
        return self._length

    def __iter__(self) -> Iterator[int]:
        """Positions of the epoch's tiles."""
        start = self._epoch * self._length
        places = np.arange(start, start + self._length) * self._processes + self._process
        lap, order = -1, np.empty(0, np.int64)
        for place in places:
            if place // self._count != lap:
                lap = int(place // self._count)
                order = np.random.default_rng([self._seed, lap]).permutation(self._count)
            yield int(order[place % self._count])
