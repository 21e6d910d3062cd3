"""Graded slides of a study as bags of features, split and served in batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from pathoai.errors import InvalidValueError, LeakError, StudyError
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_training.data.bag_dataset import (
    WHOLE,
    BagBatch,
    BagDataset,
    NumberedDraws,
    collate_bags,
)
from pathoai_training.data.graded_slides import GradedSlide, graded_slides
from pathoai_training.data.study_data import StudyData
from pathoai_training.splits.chosen_split import split_of_slides
from pathoai_training.splits.split import SUBSETS, SplitKind

_SAMPLED_SLIDES = 64
"""Their features tell the scale of all; a cohort's would not fit in memory."""
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.+-]{0,63}")


class _EachWhole(Sampler[tuple[int, int]]):
    """Every slide once, with all its tiles."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Any:  # noqa: ANN401 - as its parent's
        return iter((position, WHOLE) for position in range(self._count))


class BagData(StudyData):
    """Slides with a grade (column ``grade`` of ``cohort.csv``) and features in their stores.

    Args:
        study: The study's folder.
        classes: Keys of the grades, from least to most severe. A slide counts with the one of its
            grade's rank: ``cin2`` with ``hsil``.
        encoder: Name of the features: the key of the encoder that made them.
        bag_size: Tiles of a slide at most per training step, drawn anew each time; validation and
            test see all.
        batch_size: Slides per step and process.
        split: What is kept apart: ``patient``, or the name of a written split, perhaps with a fold:
            ``main/3``.
        seed: Of split, order and sampling.
        steps_per_epoch: Batches per epoch; an epoch is a stretch, not a pass over the slides.
        workers: Processes that read; 0 reads in the training process.
        temperature: Training slides are drawn by class: 1 is natural prevalence, .inf draws classes
            equally often. Not stated, each is seen once a pass.
        graded_by: Who gave the grades, by code or role, e.g. ``consensus of R1 and R2``; never a
            name.
    """

    def __init__(  # noqa: PLR0913 - the keys of a recipe's data section, kept flat
        self,
        *,
        study: Path,
        classes: tuple[str, ...],
        encoder: str,
        bag_size: int = 1024,
        batch_size: int = 8,
        split: str = "patient",
        seed: int = 0,
        steps_per_epoch: int = 25,
        workers: int = 0,
        temperature: float | None = None,
        graded_by: str = "",
    ) -> None:
        """Read nothing yet."""
        super().__init__(batch_size=batch_size, seed=seed, steps_per_epoch=steps_per_epoch)
        for name, value, least in (
            ("bag_size", bag_size, 1),
            ("batch_size", batch_size, 1),
            ("steps_per_epoch", steps_per_epoch, 1),
            ("workers", workers, 0),
        ):
            if value < least:
                raise InvalidValueError(name, found=value, allowed=f"{least} or more")
        if graded_by and not _WHO.fullmatch(graded_by):
            raise InvalidValueError(
                "graded_by",
                found=repr(graded_by),
                allowed="up to 64 letters, digits, blanks and , . + -",
            )
        if split == SplitKind.AREA:
            raise InvalidValueError(
                "a slide has one grade: areas of it cannot be kept apart",
                where="--split",
                found=split,
                allowed="patient, or the name of a split made by `pathoai split`",
            )
        self.classes = tuple(classes)
        self.encoder_name = encoder
        self._study = Study(study)
        self._choice = split
        self._bag_size = bag_size
        self._workers = workers
        self._temperature = temperature
        self._graded_by = graded_by
        self.slides: list[GradedSlide] = []
        self._without: list[str] = []
        self._served: tuple[str, ...] = ()

    @property
    def ontology(self) -> Ontology:
        """The study's classes."""
        return self._study.ontology

    @property
    def encoder(self) -> Mapping[str, Any]:
        """What the features say of the encoder that made them; known after :meth:`setup`."""
        return self.slides[0].encoder

    @property
    def embedding(self) -> int:
        """Length of a tile's features; known after :meth:`setup`."""
        features, _ = self.dataset("train")[0, WHOLE]
        return int(features.shape[1])

    def sample_of_features(self) -> torch.Tensor:
        """Features ``(N, F)`` float32 of all tiles of up to 64 training slides, spread over them.

        Known after :meth:`setup`.
        """
        dataset = self.dataset("train")
        places = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLED_SLIDES).round().astype(int))
        return torch.cat([dataset[int(place), WHOLE][0] for place in places])

    def setup(self, stage: str | None = None) -> None:
        """Find the slides, split them, and check that nothing leaks; done once.

        Raises:
            OntologyError: The classes are no rising grades.
            StudyError: No slide serves, or features differ in their making.
            LeakError: Too little to split, or two subsets share a patient, a block or a scan.
        """
        if self._split is not None:
            return
        self.slides, self._without = graded_slides(self._study, self.classes, self.encoder_name)
        self.spec = self.slides[0].spec
        ids = [slide.slide_id for slide in self.slides]
        split = split_of_slides(self._study, self._choice, ids, seed=self.seed)
        self._served = SUBSETS[:2] if split.is_locked else SUBSETS
        self._split = split
        self._check_learnable()

    def _check_learnable(self) -> None:
        seen = {slide.grade for slide in self.slides_of("train")}
        missing = [key for position, key in enumerate(self.classes) if position not in seen]
        if missing:
            raise StudyError(
                "no training slide has this grade",
                where=f"{len(self.slides_of('train'))} training slides",
                found=", ".join(missing),
                remedy="stratify the split with `pathoai split --stratify class`, or add slides",
            )

    def serve_test(self) -> None:
        """Give out the slides of the test.

        Raises:
            StudyError: There are none.
        """
        self._served = SUBSETS
        if not self.slides_of("test"):
            raise StudyError("no graded slide is left for test", where=f"split {self.split.name}")

    def slides_of(self, subset: str) -> list[GradedSlide]:
        """The slides of a subset.

        Raises:
            LeakError: The test of a written split, before its opening was logged.
        """
        if subset not in self._served:
            raise LeakError(
                f"the {subset} slides are locked",
                where=f"split {self.split.name}",
                remedy="`pathoai evaluate` opens them, and logs it",
            )
        of_slide = self.split.subset_of_slide()
        return [slide for slide in self.slides if of_slide.get(slide.slide_id) == subset]

    def dataset(self, subset: str) -> BagDataset:
        """The bags of a subset.

        Raises:
            LeakError: The test of a written split, before its opening was logged.
        """
        slides = self.slides_of(subset)
        return BagDataset(slides, self.encoder_name, bag_size=self._bag_size, seed=self.seed)

    def inputs(self) -> dict[str, Any]:
        """Hashes of split, stores, features and grades."""
        return {
            "split": self.split.sha256,
            "stores": {s.slide_id: s.identity for s in self.slides},
            "features": {s.slide_id: [s.features_sha256, s.about] for s in self.slides},
            "grades": {s.slide_id: s.row.grade for s in self.slides},
        }

    def record(self) -> dict[str, Any]:
        """Grades, slides with hashes of their features, and split."""
        split = self.split
        used = set(split.slide_ids)
        return {
            "label": "grade",
            "label_statement": self.label_statement,
            "encoder": dict(self.encoder),
            "slides": [
                {
                    "slide_id": slide.slide_id,
                    "store": slide.identity,
                    "grade": slide.row.grade,
                    "features_sha256": slide.features_sha256,
                    "tiles": slide.tiles,
                }
                for slide in self.slides
            ],
            "split": {
                "kind": str(split.kind),
                "sha256": split.sha256,
                "statement": split.statement,
                "name": split.name,
                "fold": split.fold,
                "learnt_from": split.learnt_from,
                "unused": sorted({s.slide_id for s in self.slides} - used | set(self._without)),
                "slides": {subset: self._tally(subset) for subset in self._served},
            },
        }

    @property
    def label_statement(self) -> str:
        """What the grades are worth, in one line."""
        who = f"given by {self._graded_by}" if self._graded_by else "who gave them is not on record"
        return (
            "labels: grade of the whole slide from cohort.csv, weak: it does not say where, "
            f"{who}, not validated by a pathologist in the journal"
        )

    def _tally(self, subset: str) -> dict[str, int]:
        counts = Counter(slide.grade for slide in self.slides_of(subset))
        return {key: counts[position] for position, key in enumerate(self.classes)}

    def train_dataloader(self) -> DataLoader[BagBatch]:
        """Batches of sampled bags in an order given by seed and step."""
        dataset, trainer = self.dataset("train"), self.trainer
        drawn: Sampler[int] = self.sampler(len(dataset))
        if self._temperature is not None:
            grades = np.array([slide.grade for slide in dataset.slides], np.uint8)
            places = np.arange(len(dataset), dtype=np.int32)
            drawn = self.class_slide_sampler(grades, places, self._temperature)
        draws = NumberedDraws(
            drawn,
            done=lambda: self.batches_done * self.batch_size,
            process=(trainer.global_rank, trainer.world_size) if trainer else (0, 1),
        )
        return self._loader(dataset, self.batch_size, draws)

    def val_dataloader(self) -> DataLoader[BagBatch]:
        """Whole validation slides, one by one."""
        return self.whole_slides("validation")

    def test_dataloader(self) -> DataLoader[BagBatch]:
        """Whole test slides, one by one."""
        return self.whole_slides("test")

    def whole_slides(self, subset: str) -> DataLoader[BagBatch]:
        """Each slide of a subset once, in natural prevalence, with all its tiles.

        Raises:
            LeakError: The test of a written split, before its opening was logged.
        """
        dataset = self.dataset(subset)
        return self._loader(dataset, 1, _EachWhole(len(dataset)))

    def _loader(
        self, dataset: BagDataset, batch_size: int, sampler: Sampler[tuple[int, int]]
    ) -> DataLoader[BagBatch]:
        return DataLoader(
            dataset,  # type: ignore[arg-type]  # its items are bags; collated they are a batch
            batch_size=batch_size,
            sampler=sampler,
            collate_fn=collate_bags,
            num_workers=self._workers,
            # zarr keeps a thread that a forked child would lack.
            multiprocessing_context="spawn" if self._workers else None,
            persistent_workers=self._workers > 0,
            generator=torch.Generator(),  # else every loader draws from the caller's numbers
        )
