"""Slides as bags of features: whole, or a sample of each that follows from seed and draw."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from pathoai.store.slide_store import SlideStore
from pathoai_training.data.graded_slides import GradedSlide

Draw = tuple[int, int]
"""Position of a slide, and the number of the draw; -1 asks for the whole slide."""
Bag = tuple[torch.Tensor, int]
BagBatch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Features ``(B, N, F)`` float32, mask ``(B, N)`` bool, and classes ``(B,)`` int64."""
WHOLE = -1
_CACHE_BYTES = 1 << 30
"""In each process: features of a few hundred biopsies, so that small studies are read once."""


class BagDataset(Dataset[Bag]):
    """Bags with the class of their slide.

    Args:
        slides: In the order of their positions.
        encoder: Name of the features.
        bag_size: Tiles of a sample at most.
        seed: Of the samples.
    """

    def __init__(
        self, slides: Sequence[GradedSlide], encoder: str, *, bag_size: int, seed: int
    ) -> None:
        """Nothing is read yet."""
        self.slides = list(slides)
        self._encoder = encoder
        self._bag_size = bag_size
        self._seed = seed
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        """Number of slides."""
        return len(self.slides)

    def __getitem__(self, draw: Draw) -> Bag:
        """Features ``(n, F)`` float32 and the class."""
        position, number = draw
        features = self._features(position)
        if number != WHOLE and len(features) > self._bag_size:
            generator = np.random.default_rng([self._seed, number])
            kept = generator.choice(len(features), self._bag_size, replace=False)
            features = features[np.sort(kept)]
        return torch.from_numpy(features.astype(np.float32)), self.slides[position].grade

    def _features(self, position: int) -> NDArray[Any]:
        """All of a slide's features, in the precision that they are stored in."""
        if position not in self._cache:
            found = SlideStore(self.slides[position].store).features(self._encoder)
            self._cache[position] = np.asarray(found.features[:])
            self._held += self._cache[position].nbytes
        self._cache.move_to_end(position)
        while self._held > _CACHE_BYTES and len(self._cache) > 1:
            self._held -= self._cache.popitem(last=False)[1].nbytes
        return self._cache[position]

    def __getstate__(self) -> dict[str, Any]:
        """Another process reads for itself."""
        return {**vars(self), "_cache": OrderedDict(), "_held": 0}


class NumberedDraws(Sampler[Draw]):
    """Numbers what another sampler draws, so that each draw of a slide is a sample of its own.

    Args:
        positions: The other sampler.
        done: Tells, when an epoch starts, how many items this process has trained on.
        process: As ``(rank, processes)``: no number is drawn twice.
    """

    def __init__(
        self,
        positions: Sampler[int],
        *,
        done: Callable[[], int],
        process: tuple[int, int] = (0, 1),
    ) -> None:
        """Draw nothing yet."""
        self._positions = positions
        self._done = done
        self._rank, self._processes = process

    def __len__(self) -> int:
        """Draws per epoch and process."""
        return len(self._positions)  # type: ignore[arg-type]  # ours have a length

    def __iter__(self) -> Iterator[Draw]:
        """The epoch's draws."""
        for number, position in enumerate(self._positions, start=self._done()):
            yield position, number * self._processes + self._rank


def collate_bags(bags: Sequence[Bag]) -> BagBatch:
    """Bags of different sizes side by side; zeros, masked, fill the shorter ones."""
    longest = max(len(features) for features, _ in bags)
    batch = torch.zeros(len(bags), longest, bags[0][0].shape[1])
    mask = torch.zeros(len(bags), longest, dtype=torch.bool)
    for row, (features, _) in enumerate(bags):
        batch[row, : len(features)] = features
        mask[row, : len(features)] = True
    return batch, mask, torch.tensor([grade for _, grade in bags])
