"""What every task learns from: data of a study, split, hashed, and served in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule

from pathoai.errors import LeakError, StudyError
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.sampling.class_slide_sampler import ClassSlideSampler
from pathoai_training.sampling.seeded_sampler import SeededSampler, batch_generator
from pathoai_training.splits.openings import Opening, open_test
from pathoai_training.splits.split import SUBSETS, Split


class StudyData(LightningDataModule, ABC):
    """Data of a study for one task.

    Args:
        spec: Size and scale of what the network sees; left out where ``setup`` finds it.
        batch_size: Items per step and process.
        seed: Of split, order and augmentation.
        steps_per_epoch: Optimiser steps per epoch, which is a stretch, not a pass over the data.
    """

    spec: TileSpec

    def __init__(
        self, *, spec: TileSpec | None = None, batch_size: int, seed: int, steps_per_epoch: int
    ) -> None:
        """Read nothing yet."""
        super().__init__()
        if spec is not None:
            self.spec = spec
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self._split: Split | None = None

    @abstractmethod
    def setup(self, stage: str | None = None) -> None:
        """Look at the study, split, and check that nothing leaks; done once."""

    @property
    def split(self) -> Split:
        """The subsets; known after :meth:`setup`, which sets them."""
        if self._split is None:
            raise StudyError("the data is not set up", remedy="call setup first")
        return self._split

    @abstractmethod
    def inputs(self) -> Mapping[str, Any]:
        """Hashes of all that the result depends on, ready for JSON; part of a run's fingerprint."""

    @abstractmethod
    def record(self) -> Mapping[str, Any]:
        """What a bundle says of its data, ready for JSON.

        At least ``label_statement``, ``slides`` (each with ``slide_id`` and ``store``) and
        ``split`` (with ``kind``, ``sha256`` and ``statement``).
        """

    @property
    def preparation(self) -> str:
        """What the network is shown, in one sentence of a report."""
        return (
            f"Tiles of {self.spec.size_px} px at {self.spec.mpp:g} µm per pixel, with at least "
            f"{self.spec.min_tissue_fraction:.0%} tissue."
        )

    def open_test(self, study: Study, opening: Opening) -> None:
        """Log a look at the test, and only then serve it.

        Raises:
            StudyError: The log of openings was altered, or there is nothing to serve.
        """
        open_test(study, opening)
        self.serve_test()

    def serve_test(self) -> None:
        """Make the subset ``test`` available, where ``setup`` left it locked."""

    def check_served(self, subset: str, served: Container[str]) -> None:
        """Refuse to hand out the test of a written split before its opening was logged.

        Raises:
            LeakError: It is locked.
        """
        if subset not in served and subset in SUBSETS:
            raise LeakError(
                f"the {subset} slides are locked",
                where=f"split {self.split.name}",
                remedy="`pathoai evaluate` opens them, and logs it",
            )

    def class_slide_sampler(
        self, tile_class: NDArray[np.uint8], slide: NDArray[np.int32], temperature: float
    ) -> ClassSlideSampler:
        """Training items by class and slide, given by seed and step.

        Args:
            tile_class: ``(N,)`` uint8 class of each item.
            slide: ``(N,)`` int32 slide of each item.
            temperature: 1 for natural prevalence, infinity for uniform.
        """
        return ClassSlideSampler(
            tile_class,
            slide,
            length=self._stretch,
            seed=self.seed,
            done=lambda: self.batches_done * self.batch_size,
            temperature=temperature,
            process=self.process,
        )

    def sampler(self, count: int) -> SeededSampler:
        """The order of training items, given by seed and step.

        Args:
            count: Number of items.
        """
        process, processes = self.process
        return SeededSampler(
            count,
            length=self._stretch,
            seed=self.seed,
            done=lambda: self.batches_done * self.batch_size,
            process=process,
            processes=processes,
        )

    @property
    def process(self) -> tuple[int, int]:
        """Number of this process, and of how many that train together."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    @property
    def _stretch(self) -> int:
        """Items of an epoch and process."""
        gathered = self.trainer.accumulate_grad_batches if self.trainer else 1
        return self.steps_per_epoch * gathered * self.batch_size

    @property
    def batches_done(self) -> int:
        """Training batches of this process, those before a resume included.

        Gradients of several batches may make one step, so steps do not tell them apart.
        """
        return self.trainer.fit_loop.total_batch_idx + 1 if self.trainer else 0

    def step_generator(self) -> torch.Generator:
        """Random numbers of this batch and process, so that a resumed run goes on with the same."""
        return batch_generator(self.seed, self.batches_done, self.process)
