"""Data whose training items are varied: on the trainer's device, or where they are read."""

from __future__ import annotations

from abc import ABC
from importlib import metadata
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler

from pathoai.tiling.spec import TileSpec
from pathoai_training.augmentation.albumentations_operations import check_albumentations
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views
from pathoai_training.data.study_data import StudyData
from pathoai_training.data.varied_items import BatchOrder, VariedItems


class AugmentedData(StudyData, ABC):
    """Data of a study whose training items are varied.

    Args:
        spec: Size and scale of what the network sees.
        batch_size: Items per step and process.
        seed: Of split, order and augmentation.
        steps_per_epoch: Optimiser steps per epoch.
        augmentation: What is varied in training.
        views: What the items are.

    Raises:
        InvalidValueError: Amounts that do not fit the items.
        MissingDependencyError: albumentations is to compute, and cannot.
    """

    def __init__(
        self,
        *,
        spec: TileSpec,
        batch_size: int,
        seed: int,
        steps_per_epoch: int,
        augmentation: Augmentation,
        views: Views,
    ) -> None:
        """Check that the amounts fit."""
        super().__init__(
            spec=spec, batch_size=batch_size, seed=seed, steps_per_epoch=steps_per_epoch
        )
        augmentation.check_fits(views)
        if augmentation.where == "loader":
            check_albumentations()
        self._augmentation = augmentation
        self._views = views

    @property
    def augmented_by(self) -> str:
        """What computes varied images, and where."""
        if self._augmentation.where == "batch":
            return f"torch {torch.__version__}, on batches"
        return f"albumentations {metadata.version('albumentations')}, in the loader"

    def on_after_batch_transfer(
        self, batch: tuple[torch.Tensor, ...], dataloader_idx: int
    ) -> tuple[torch.Tensor, ...]:
        """Vary training batches on their device; the numbers follow from seed and step."""
        training = self.trainer is not None and self.trainer.training
        if not training or self._augmentation.where != "batch":
            return batch
        return self._augmentation(batch, self.step_generator(), self._views)

    def varied(
        self, items: Dataset[Any], order: Sampler[int] | None
    ) -> tuple[Dataset[Any], Sampler[Any] | None]:
        """Items and their order as a loader takes them: varied, if it trains and is to vary.

        Args:
            items: As they are.
            order: Of training; None where items are looked at one after the other.
        """
        if order is None or self._augmentation.where != "loader":
            return items, order
        rank, processes = self.process
        return (
            VariedItems(items, self._augmentation, self._views, self.seed, (rank, processes)),
            BatchOrder(order, self.batch_size, lambda: self.batches_done),
        )
