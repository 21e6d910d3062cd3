"""Annotated regions of a study, split and served in batches: a class for each, no outline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from pathoai.errors import InvalidValueError, StudyError
from pathoai.models.region_classifier import check_context
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views
from pathoai_training.data.augmented_data import AugmentedData
from pathoai_training.data.label_statement import label_statement
from pathoai_training.data.leak import check_no_leak
from pathoai_training.data.region_survey import RegionSurvey, check_every_class, survey_regions
from pathoai_training.data.regions_dataset import RegionColumns, RegionsDataset
from pathoai_training.data.tiles_dataset import TileColumns
from pathoai_training.splits.chosen_split import split_of_slides
from pathoai_training.splits.split import SUBSETS, Split, SplitKind

Batch = tuple[torch.Tensor, torch.Tensor]
"""Views ``(N, V, 3, S, S)`` uint8 and classes ``(N,)`` int64."""

_AUGMENTATION = Augmentation()
_LABEL = "annotations of the journal"


class RegionData(AugmentedData):
    """Crops about the centres of the journal's annotations.

    The crop has the size of the spec, not that of the annotation: what lies around a lesion or a
    nucleus tells its class as much as what lies in it.

    Args:
        study: The study's folder.
        classes: Keys of the classes to tell apart; finer classes are rolled up into them, and
            annotations of others are left out and counted: what is not annotated is unknown.
        spec: Size and scale of the near view.
        context: How many times coarser each further view about the same centre is.
        author: Only annotations that this code last changed; all where empty.
        with_proposals: Also annotations that no pathologist has judged, or signed off.
        unsigned: Also annotations whose reader has not signed the slide off.
        batch_size: Regions per step and process.
        split: ``patient``, or the name of a written split, perhaps with a fold: ``main/3``.
        seed: Of split, order and augmentation.
        steps_per_epoch: Batches per epoch; an epoch is a stretch, not a pass over the regions.
        workers: Processes that read; 0 reads in the training process.
        augmentation: What is varied in training, in all views of a region alike.
        temperature: Training regions are drawn by class and slide: 1 is natural prevalence, .inf
            draws classes and slides equally often. Not stated, each is seen once a pass.
    """

    def __init__(  # noqa: PLR0913 - the keys of a recipe's data section, kept flat
        self,
        *,
        study: Path,
        classes: tuple[str, ...],
        spec: TileSpec,
        context: tuple[float, ...] = (),
        author: str = "",
        with_proposals: bool = False,
        unsigned: bool = False,
        batch_size: int = 32,
        split: str = "patient",
        seed: int = 0,
        steps_per_epoch: int = 25,
        workers: int = 0,
        augmentation: Augmentation = _AUGMENTATION,
        temperature: float | None = None,
    ) -> None:
        """Read nothing yet."""
        self.context = check_context(context)
        super().__init__(
            spec=spec,
            batch_size=batch_size,
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            augmentation=augmentation,
            views=Views(spec.size_px, tuple(spec.mpp * factor for factor in (1, *self.context))),
        )
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("workers", workers, 0),
            ("steps_per_epoch", steps_per_epoch, 1),
            ("classes", len(classes), 2),
        ):
            if value < least:
                raise InvalidValueError(name, found=value, allowed=f"{least} or more")
        if split == SplitKind.AREA:
            raise InvalidValueError(
                "--split",
                found=split,
                allowed="patient, or the name of a split made by `pathoai split`",
                remedy="regions of one slide show the same lesion: a split by area proves nothing",
            )
        self.classes = tuple(classes)
        self._study = Study(study)
        self._author, self._with_proposals, self._unsigned = author, with_proposals, unsigned
        self._choice = split
        self._workers = workers
        self._temperature = temperature
        self._survey: RegionSurvey | None = None
        self.regions: dict[str, RegionColumns] = {}

    @property
    def ontology(self) -> Ontology:
        """The study's."""
        return self._study.ontology

    @property
    def survey(self) -> RegionSurvey:
        """What the journal offers; known after :meth:`setup`."""
        if self._survey is None:
            raise StudyError("the data is not set up", remedy="call setup first")
        return self._survey

    @property
    def slide_ids(self) -> list[str]:
        """Codes of the slides that regions count; known after :meth:`setup`."""
        return [slide.slide_id for slide in self.survey.slides]

    def setup(self, stage: str | None = None) -> None:
        """Look at the journal, split, and check that nothing leaks; done once.

        Raises:
            StudyError: No annotation, or a class without any in training.
            LeakError: Too little to split, or two subsets share patients or slides.
        """
        if self._split is not None:
            return
        self._survey = survey_regions(
            self._study,
            self.classes,
            self.spec,
            author=self._author,
            with_proposals=self._with_proposals,
            unsigned=self._unsigned,
        )
        check_every_class(
            [slide.classes for slide in self._survey.slides], self.classes, where="the journal"
        )
        split = split_of_slides(self._study, self._choice, self.slide_ids, seed=self.seed)
        served = SUBSETS[:2] if split.is_locked else SUBSETS
        self.regions = {subset: self._regions_of(split, subset) for subset in served}
        check_every_class([self.regions["train"].classes], self.classes, where="training")
        self._check(split)
        self._split = split

    def serve_test(self) -> None:
        """Find the regions of the test.

        Raises:
            StudyError: There are none.
            LeakError: They share a group of slides with the others.
        """
        self.regions["test"] = self._regions_of(self.split, "test")
        self._check(self.split)

    def _check(self, split: Split) -> None:
        for subset, regions in self.regions.items():
            if not len(regions):
                raise StudyError(
                    f"no annotated region is left for {subset}",
                    found=", ".join(f"{name} {len(r)}" for name, r in self.regions.items()),
                    remedy="annotate slides of more patients",
                )
        tiles = {subset: regions.tiles for subset, regions in self.regions.items()}
        check_no_leak(split, tiles, self.slide_ids)

    def _regions_of(self, split: Split, subset: str) -> RegionColumns:
        of_slide, slides = split.subset_of_slide(), self.survey.slides
        # Slides of other subsets stay in the list, without regions: positions are of all slides.
        ends = [len(s.classes) if of_slide.get(s.slide_id) == subset else 0 for s in slides]
        chosen = list(zip(slides, ends, strict=True))
        origins_px = [slide.origins_px[:end] for slide, end in chosen]
        tiles = TileColumns.joined(origins_px, self.spec.size_px)
        return RegionColumns(tiles, np.concatenate([slide.classes[:end] for slide, end in chosen]))

    @property
    def preparation(self) -> str:
        """What the network is shown, in one sentence of a report."""
        scales = [f"{self.spec.mpp * factor:g}" for factor in (1, *self.context)]
        return (
            f"Squares of {self.spec.size_px} px about the centre of each annotation, at "
            f"{' and '.join(scales)} µm per pixel."
        )

    def inputs(self) -> dict[str, Any]:
        """Hashes of split, stores and annotations."""
        slides = self.survey.slides
        return {
            "split": self.split.sha256,
            "stores": {s.slide_id: s.identity for s in slides},
            "annotations": {s.slide_id: s.annotations_sha256 for s in slides},
        }

    def record(self) -> dict[str, Any]:
        """Annotations, slides, split and numbers of regions."""
        split, survey = self.split, self.survey
        return {
            "label": _LABEL,
            "augmented_by": self.augmented_by,
            "label_statement": label_statement(_LABEL, survey.about),
            "slides": [
                {
                    "slide_id": slide.slide_id,
                    "store": slide.identity,
                    "label_sha256": slide.annotations_sha256,
                    "regions": len(slide.classes),
                }
                for slide in survey.slides
            ],
            "left_out": dict(survey.left_out),
            "split": {
                "kind": str(split.kind),
                "sha256": split.sha256,
                "statement": split.statement,
                "name": split.name,
                "fold": split.fold,
                "learnt_from": split.learnt_from,
                "unused": sorted(set(self.slide_ids) - set(split.slide_ids)),
                "regions": {subset: len(r) for subset, r in self.regions.items()},
            },
        }

    def dataset(self, subset: str) -> RegionsDataset:
        """The regions of a subset, without augmentation.

        Raises:
            LeakError: The test of a written split, before its opening was logged.
        """
        self.check_served(subset, self.regions)
        stores = [slide.path for slide in self.survey.slides]
        return RegionsDataset(stores, self.regions[subset], self.spec, self.context)

    def _loader(self, subset: str, sampler: Sampler[int] | None = None) -> DataLoader[Batch]:
        regions, order = self.varied(self.dataset(subset), sampler)
        return DataLoader(
            regions,
            batch_size=self.batch_size,
            sampler=order,
            num_workers=self._workers,
            # zarr keeps a thread that a forked child would lack.
            multiprocessing_context="spawn" if self._workers else None,
            persistent_workers=self._workers > 0,
            generator=torch.Generator(),  # else every loader draws from the caller's numbers
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of training regions in an order given by seed and step."""
        regions = self.regions["train"]
        if self._temperature is None:
            return self._loader("train", self.sampler(len(regions)))
        return self._loader(
            "train",
            self.class_slide_sampler(regions.classes, regions.tiles.slide, self._temperature),
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of validation regions, in their natural prevalence."""
        return self._loader("validation")
