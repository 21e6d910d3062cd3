"""Items of a study as an exported model takes them, with what is true of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pathoai.errors import ModelError
from pathoai_training.data.bag_data import BagData
from pathoai_training.data.bag_dataset import WHOLE, collate_bags
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.region_data import RegionData
from pathoai_training.data.study_data import StudyData

Parts = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Items:
    """Of one subset.

    Args:
        unit: What they are, for people: ``tiles``, ``regions`` or ``slides``.
        count: How many there are.
        take: Positions → a batch: first what the network takes, then what is true.
        inputs: How many parts of a batch the network takes.
        most: So many say enough of how alike two models are.
        batch: Items at once.
    """

    unit: str
    count: int
    take: Callable[[list[int]], Parts]
    inputs: int = 1
    most: int = 128
    batch: int = 8

    def drawn(self, most: int, seed: int) -> list[int]:
        """Positions, in order: all, or a draw that follows from the seed."""
        chosen = np.random.default_rng(seed).permutation(self.count)[:most]
        return sorted(chosen.tolist())

    def batches(self, positions: list[int]) -> Iterator[tuple[Parts, Parts]]:
        """What the network takes, and what is true, batch by batch."""
        for start in range(0, len(positions), self.batch):
            parts = self.take(positions[start : start + self.batch])
            yield parts[: self.inputs], parts[self.inputs :]


def items_of(data: StudyData, subset: str, *, where: str) -> Items:
    """The items of a subset.

    Args:
        data: Set up.
        subset: ``train`` or ``validation``.
        where: The model, named in the error.

    Raises:
        ModelError: The data is of a kind that no export is verified on.
    """
    match data:
        case StoreDataModule():
            tiles = data.dataset(subset)
            return Items("tiles", len(tiles), lambda at: _stacked(tiles.__getitems__(at)))
        case RegionData():
            regions = data.dataset(subset)
            # Each is one decision only, where a tile has thousands.
            take = regions.__getitems__
            return Items("regions", len(regions), lambda at: _stacked(take(at)), most=512)
        case BagData():
            bags = data.dataset(subset)
            # Two at once: slides differ in length, so that one of them is padded and masked.
            return Items(
                "slides",
                len(bags),
                lambda at: collate_bags([bags[position, WHOLE] for position in at]),
                inputs=2,
                batch=2,
            )
    raise ModelError(
        "an export is verified on tiles, regions or slides, and the model learnt from something "
        "else",
        where=where,
        found=type(data).__name__,
    )


def _stacked(items: Sequence[Parts]) -> Parts:
    return tuple(torch.stack(parts) for parts in zip(*items, strict=True))
