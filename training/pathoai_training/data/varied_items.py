"""Items that a loader varies as it reads them, with the numbers that their batch would have had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler

from pathoai_training.augmentation.albumentations_operations import AlbumentationsOperations
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views
from pathoai_training.augmentation.vary import vary
from pathoai_training.sampling.seeded_sampler import batch_generator

Place = tuple[int, int]
"""Position of an item, and the number of the batch that it goes into."""


class BatchOrder(Sampler[Place]):
    """An order of items that says which batch each goes into, so that any process can vary it.

    Args:
        order: Positions, whole batches of them.
        batch_size: Items per batch.
        batches_done: Tells, when an epoch starts or goes on, how many batches this process has
            trained on.
    """

    def __init__(
        self, order: Sampler[int], batch_size: int, batches_done: Callable[[], int]
    ) -> None:
        """Draw nothing yet."""
        self._order = order
        self._batch_size = batch_size
        self._batches_done = batches_done

    def __len__(self) -> int:
        """Items per epoch and process."""
        return len(self._order)  # type: ignore[arg-type]  # ours are sized; torch's type is not

    def __iter__(self) -> Iterator[Place]:
        """Positions of the epoch's items with the numbers of their batches."""
        first = self._batches_done()
        for place, position in enumerate(self._order):
            yield position, first + place // self._batch_size


class VariedItems(Dataset[Any]):
    """A dataset's items, varied in whole batches by albumentations.

    Args:
        items: What can be asked for several positions at once (``__getitems__``), and gives tuples
            whose first is the image.
        augmentation: What is varied.
        views: What the items are.
        seed: Of the run.
        process: As ``(rank, processes)``.
    """

    def __init__(
        self,
        items: Any,  # noqa: ANN401 - torch has no type for datasets that give several items
        augmentation: Augmentation,
        views: Views,
        seed: int,
        process: tuple[int, int],
    ) -> None:
        """Import nothing yet: worker processes do it for themselves."""
        self._items = items
        self._augmentation = augmentation
        self._views = views
        self._seed = seed
        self._process = process
        self._operations: AlbumentationsOperations | None = None

    def __len__(self) -> int:
        """Number of items."""
        return len(self._items)

    def __getitems__(self, places: Sequence[Place]) -> list[tuple[torch.Tensor, ...]]:
        """A whole batch, item by item."""
        items = self._items.__getitems__([position for position, _ in places])
        (batch,) = {batch for _, batch in places}
        generator = batch_generator(self._seed, batch, self._process)
        variation = self._augmentation.draw(len(items), generator, self._views)
        self._operations = self._operations or AlbumentationsOperations()
        parts = [torch.stack(part) for part in zip(*items, strict=True)]
        images, *others = vary(parts, variation, self._views, self._operations)
        return list(zip(images.contiguous(), *others, strict=True))
