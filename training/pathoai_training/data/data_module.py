"""Labelled stores of a study, split and served in batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from pathoai.errors import InvalidValueError, StudyError
from pathoai.preprocess.device_batch import BatchDecoder
from pathoai.provenance import sha256_of_json
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views
from pathoai_training.data.augmented_data import AugmentedData
from pathoai_training.data.device_feed import (
    Decode,
    DeviceFeed,
    UndecodedTiles,
    as_it_is,
    decode_where,
    feed_decoder,
    is_handed_over,
)
from pathoai_training.data.label_statement import label_statement
from pathoai_training.data.leak import check_no_leak
from pathoai_training.data.survey import SlideSurvey, channels_of, check_classes, survey_study
from pathoai_training.data.tile_classes import TileClassRule, classes_of_tiles
from pathoai_training.data.tiles_dataset import LabelledSlide, TileColumns, TilesDataset
from pathoai_training.preempt import leave_signals_to_trainer
from pathoai_training.splits.chosen_split import split_of_slides
from pathoai_training.splits.split import (
    SUBSETS,
    Split,
    SplitKind,
    split_by_area,
    tiles_in_area,
)

Batch = tuple[torch.Tensor, ...]
"""Images ``(N, 3, S, S)`` uint8, targets ``(N, S, S)`` uint8, 255 where ignored, and what else a
task wants of the same squares."""

Loader = DataLoader[Any] | DeviceFeed
"""Either gives batches, and knows how many."""
_AUGMENTATION = Augmentation()


class StoreDataModule(AugmentedData):
    """Tiles of a study's stores with the classes of one label.

    Args:
        study: The study's folder.
        classes: Keys of the classes to tell from background; finer classes are rolled up into
            them, everything else assessed is background.
        label: Name of the label, e.g. ``annotation/generator``.
        spec: Size and scale of the tiles; its overlap is for prediction.
        batch_size: Tiles per step and process.
        split: What is kept apart: ``patient``, ``area``, or the name of a written split, perhaps
            with a fold: ``main/3``.
        seed: Of split, order and augmentation.
        train_stride_px: Distance between neighbouring training tiles, at the tiles' scale.
        block_tiles: Area split: side of a block, in tiles.
        guard_px: Area split: pixels between training tiles and blocks of the others.
        steps_per_epoch: Batches per epoch; an epoch is a stretch, not a pass over the tiles.
        workers: Processes that read; 0 reads in the training process.
        augmentation: What is varied in training.
        temperature: Training tiles are drawn by class and slide: 1 is natural prevalence, .inf
            draws classes and slides equally often. Not stated, each is seen once a pass.
        tile_class: What makes a tile's class: the ``dominant`` one, or the rarest it ``contains``.
        decode: Where JPEG chunks become pixels: by the loader (``cpu``) or ahead of the step on the
            trainer's ``device``; ``auto`` takes the device where it is a GPU and all stores have a
            JPEG level of the tiles' scale.
    """

    def __init__(  # noqa: PLR0913 - the keys of a recipe's data section, kept flat
        self,
        *,
        study: Path,
        classes: tuple[str, ...],
        label: str,
        spec: TileSpec,
        batch_size: int = 8,
        split: str = "patient",
        seed: int = 0,
        train_stride_px: int = 64,
        block_tiles: int = 2,
        guard_px: int = 64,
        steps_per_epoch: int = 25,
        workers: int = 0,
        augmentation: Augmentation = _AUGMENTATION,
        temperature: float | None = None,
        tile_class: TileClassRule = TileClassRule.CONTAINS,
        decode: Decode = "auto",
    ) -> None:
        """Read nothing yet."""
        super().__init__(
            spec=spec,
            batch_size=batch_size,
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            augmentation=augmentation,
            views=Views(spec.size_px, (spec.mpp,)),
        )
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("train_stride_px", train_stride_px, 1),
            ("guard_px", guard_px, 0),
            ("workers", workers, 0),
            ("steps_per_epoch", steps_per_epoch, 1),
        ):
            if value < least:
                raise InvalidValueError(name, found=value, allowed=f"{least} or more")
        self.classes = classes
        self.label = label
        self.guard_px = guard_px
        self._study = Study(study)
        self._choice = split
        self._temperature = temperature
        self._rule = tile_class
        self._stride_px = min(train_stride_px, self.spec.size_px)
        self._block_tiles = block_tiles
        self._workers = workers
        self._decode = decode_where(decode, augmentation)
        self._decoder: BatchDecoder | None = None
        self.slides: list[SlideSurvey] = []
        self.left_out: list[str] = []
        self.tiles: dict[str, TileColumns] = {}

    def setup(self, stage: str | None = None) -> None:
        """Look at every labelled slide, split, and check that nothing leaks; done once.

        Raises:
            StudyError: No store, no such label, or classes that the labels do not hold.
            LeakError: Too little to split, or two subsets touch.
            NoTissueError: No tile holds enough tissue.
        """
        if self._split is not None:
            return
        self.slides, self.left_out = survey_study(
            self._study, self.label, self.spec, train_stride_px=self._stride_px
        )
        check_classes(self.slides, self._study.ontology, self.classes, label=self.label)
        split = self._divide()
        served = SUBSETS[:2] if split.is_locked else SUBSETS
        self.tiles = {subset: self._tiles_of(split, subset) for subset in served}
        self._check_filled()
        ids = [slide.slide_id for slide in self.slides]
        guard_px = self.guard_px if split.kind is SplitKind.AREA else 0
        check_no_leak(split, self.tiles, ids, guard_px=guard_px)
        self._split = split

    def serve_test(self) -> None:
        """Find the tiles of the test.

        Raises:
            StudyError: There are none.
            LeakError: They share a group of slides with the others.
        """
        self.tiles["test"] = self._tiles_of(self.split, "test")
        self._check_filled()
        check_no_leak(self.split, self.tiles, [slide.slide_id for slide in self.slides])

    def _check_filled(self) -> None:
        for subset, tiles in self.tiles.items():
            if not len(tiles):
                raise StudyError(
                    f"no labelled tile is left for {subset}",
                    where=self.label,
                    found=", ".join(f"{name} {len(t)}" for name, t in self.tiles.items()),
                    remedy="label more tissue, or smaller tiles: --set data.spec.size_px=…",
                )

    def inputs(self) -> dict[str, Any]:
        """Hashes of split, stores and labels."""
        return {
            "split": self.split.sha256,
            "stores": {s.slide_id: s.identity for s in self.slides},
            "labels": {s.slide_id: [s.label, s.about] for s in self.slides},
        }

    def record(self) -> dict[str, Any]:
        """Label, slides, split and numbers of tiles."""
        split = self.split
        statements = {label_statement(self.label, slide.about) for slide in self.slides}
        return {
            **({"left_out": self.left_out} if self.left_out else {}),
            "label": self.label,
            "decoded_on": "cpu" if self._decoder is None else self._decoder.words,
            "augmented_by": self.augmented_by,
            "label_statement": "; ".join([*sorted(statements), *self._left_out_words()]),
            "slides": [
                {
                    "slide_id": slide.slide_id,
                    "store": slide.identity,
                    "label_sha256": sha256_of_json(slide.label),
                    "label_about": slide.about,
                }
                for slide in self.slides
            ],
            "split": {
                "kind": str(split.kind),
                "sha256": split.sha256,
                "statement": split.statement,
                "guard_px": self.guard_px if split.kind is SplitKind.AREA else None,
                "name": split.name,
                "fold": split.fold,
                "learnt_from": split.learnt_from,
                "unused": sorted({s.slide_id for s in self.slides} - set(split.slide_ids)),
                "tiles": {subset: len(tiles) for subset, tiles in self.tiles.items()},
            },
        }

    def _left_out_words(self) -> list[str]:
        if not self.left_out:
            return []
        return [
            "left out, since their label was made from a slide that is no longer their pair: "
            f"{len(self.left_out)} of {len(self.left_out) + len(self.slides)} slides"
        ]

    def _divide(self) -> Split:
        if self._choice != SplitKind.AREA:
            ids = [s.slide_id for s in self.slides]
            return split_of_slides(self._study, self._choice, ids, seed=self.seed)
        grids = {s.slide_id: s.sparse for s in self.slides if len(s.sparse)}
        return split_by_area(grids, block_tiles=self._block_tiles, seed=self.seed)

    def _tiles_of(self, split: Split, subset: str) -> TileColumns:
        grids = [s.dense if subset == "train" else s.sparse for s in self.slides]
        if split.kind is not SplitKind.AREA:
            of_slide = split.subset_of_slide()
            chosen = [
                g.origins_px if of_slide.get(s.slide_id) == subset else g.origins_px[:0]
                for g, s in zip(grids, self.slides, strict=True)
            ]
        else:
            chosen = [
                tiles_in_area(g, split, s.slide_id, subset, self.guard_px)
                for g, s in zip(grids, self.slides, strict=True)
            ]
        return TileColumns.joined(chosen, self.spec.size_px)

    def dataset(self, subset: str) -> TilesDataset:
        """The tiles of a subset, without augmentation.

        Raises:
            LeakError: The test of a written split, before its opening was logged.
        """
        return TilesDataset(*self._of(subset))

    def _of(
        self, subset: str
    ) -> tuple[list[LabelledSlide], TileColumns, TileSpec, NDArray[np.uint8]]:
        """What a dataset of a subset is made with; a locked test is given to no dataset."""
        self.check_served(subset, self.tiles)
        slides = [slide.source for slide in self.slides]
        channels = channels_of(self._study.ontology, self.classes)
        return slides, self.tiles[subset], self.spec, channels

    def _loader(self, subset: str, sampler: Sampler[int] | None = None) -> Loader:
        tiles, device = self.dataset(subset), self._device
        if not is_handed_over(self._decode, device, tiles):
            return self._batches(*self.varied(tiles, sampler), None)
        self._decoder = self._decoder or feed_decoder(device)
        return DeviceFeed(self._batches(UndecodedTiles(tiles), sampler, as_it_is), self._decoder)

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _batches(
        self,
        tiles: Dataset[Any],
        sampler: Sampler[int] | None,
        collate: Callable[[Any], Any] | None,
    ) -> DataLoader[Any]:
        return DataLoader(
            tiles,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self._workers,
            collate_fn=collate,
            pin_memory=collate is not None and self._device.type == "cuda",
            # zarr keeps a thread that a forked child would lack.
            multiprocessing_context="spawn" if self._workers else None,
            persistent_workers=self._workers > 0,
            worker_init_fn=leave_signals_to_trainer,
            generator=torch.Generator(),  # else every loader draws from the caller's numbers
        )

    def train_dataloader(self) -> Loader:
        """Batches of training tiles in an order given by seed and epoch."""
        tiles = self.tiles["train"]
        if self._temperature is None:
            return self._loader("train", self.sampler(len(tiles)))
        channel_of = channels_of(self._study.ontology, self.classes)
        drawn = classes_of_tiles(
            self.slides, tiles, channel_of, rule=self._rule, count=1 + len(self.classes)
        )
        return self._loader(
            "train", self.class_slide_sampler(drawn, tiles.slide, self._temperature)
        )

    def val_dataloader(self) -> Loader:
        """Batches of validation tiles."""
        return self._loader("validation")

    def test_dataloader(self) -> Loader:
        """Batches of test tiles."""
        return self._loader("test")
