"""The order of training tiles, a pure function of seed and place: a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import Sampler


def seed_of(*numbers: int) -> int:
    """One seed from several numbers, e.g. a run's seed and a step: 63 bits, well mixed."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))


def batch_generator(seed: int, batch: int, process: tuple[int, int]) -> torch.Generator:
    """Random numbers of one batch, the same however often a run was interrupted.

    Args:
        seed: Of the run.
        batch: Its number among those of its process.
        process: As ``(rank, processes)``: each has numbers of its own.
    """
    rank, processes = process
    return torch.Generator().manual_seed(seed_of(seed, batch * processes + rank))


class SeededSampler(Sampler[int]):
    """Stretches of a fixed length, cut from an endless row of permutations of all tiles.

    An epoch is a stretch of training, not one pass over the tiles, so that small and large cohorts
    are checkpointed alike; every tile is still seen once before any is seen twice. What is resumed
    in the middle of a stretch goes on to its end.

    Args:
        count: Number of tiles.
        length: Tiles per epoch and process.
        seed: Of the permutations.
        done: Tells, when an epoch starts or goes on, how many tiles this process has trained on.
            Lightning's own ``set_epoch`` is not used: after a resume it counts one epoch too many
            (2.6).
        process: Number of this process among those that train together.
        processes: How many there are; together they see disjoint parts of the row.
    """

    def __init__(
        self,
        count: int,
        *,
        length: int,
        seed: int,
        done: Callable[[], int],
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """Draw nothing yet."""
        self._count = count
        self._length = length
        self._seed = seed
        self._done = done
        self._process = process
        self._processes = processes

    def __len__(self) -> int:
        """Tiles per epoch and process."""
        return self._length

    def __iter__(self) -> Iterator[int]:
        """Positions of the epoch's tiles."""
        start = self._done()
        end = (start // self._length + 1) * self._length
        places = np.arange(start, end) * self._processes + self._process
        lap, order = -1, np.empty(0, np.int64)
        for place in places:
            if place // self._count != lap:
                lap = int(place // self._count)
                order = np.random.default_rng([self._seed, lap]).permutation(self._count)
            yield int(order[place % self._count])
