"""Labelled stores of a study, split and served in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from pathoai.errors import InvalidValueError, NoTissueError, StoreError, StudyError
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import TISSUE, SlideStore, is_complete
from pathoai.study.study import Study
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask
from pathoai_training.augmentation import Augmentation
from pathoai_training.leak import check_no_leak
from pathoai_training.seeded_sampler import SeededSampler
from pathoai_training.split import SUBSETS, Split, SplitKind, split_by_area, split_by_patient
from pathoai_training.tiles_dataset import LabelledSlide, TileColumns, TilesDataset

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images ``(N, 3, S, S)`` uint8 and targets ``(N, S, S)`` uint8, 255 where ignored."""

_SURVEY_SIDE_PX = 4096
"""Labels are counted at a level no larger than this: enough to see which classes there are."""


@dataclass(frozen=True, slots=True)
class SlideSurvey:
    """What one labelled slide offers.

    Args:
        source: Its store and label.
        slide_id: Its code.
        identity: Of the store's pixels.
        label: The label's hashes.
        about: Where the label comes from.
        counts: ``(256,)`` int64: how often each value occurs in the surveyed level.
        dense: Overlapping tiles, for training.
        sparse: Tiles side by side, for validation and test.
    """

    source: LabelledSlide
    slide_id: str
    identity: str
    label: dict[str, str]
    about: dict[str, object]
    counts: NDArray[np.int64]
    dense: TileGrid
    sparse: TileGrid


class StoreDataModule(LightningDataModule):
    """Tiles of a study's stores with the classes of one label.

    Args:
        study: The study's folder.
        classes: Keys of the classes to tell from background; finer classes are rolled up into
            them, everything else assessed is background.
        label: Name of the label, e.g. ``annotation/generator``.
        spec: Size and scale of the tiles; its overlap is for prediction.
        batch_size: Tiles per step and process.
        split: What is kept apart, ``patient`` or ``area``.
        seed: Of split, order and augmentation.
        train_stride_px: Distance between neighbouring training tiles, at the tiles' scale.
        block_tiles: Area split: side of a block, in tiles.
        guard_px: Area split: pixels between training tiles and blocks of the others.
        steps_per_epoch: Batches per epoch; an epoch is a stretch, not a pass over the tiles.
        workers: Processes that read; 0 reads in the training process.
        augmentation: What is varied in training.
    """

    def __init__(
        self,
        *,
        study: Path,
        classes: tuple[str, ...],
        label: str,
        spec: TileSpec | None = None,
        batch_size: int = 8,
        split: SplitKind = SplitKind.PATIENT,
        seed: int = 0,
        train_stride_px: int = 64,
        block_tiles: int = 2,
        guard_px: int = 64,
        steps_per_epoch: int = 25,
        workers: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Read nothing yet."""
        super().__init__()
        self.spec = spec or TileSpec()
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
        self.seed = seed
        self.batch_size = batch_size
        self._study = Study(study)
        self._kind = split
        self._stride_px = min(train_stride_px, self.spec.size_px)
        self._block_tiles = block_tiles
        self._steps = steps_per_epoch
        self._workers = workers
        self._augmentation = augmentation or Augmentation()
        self.slides: list[SlideSurvey] = []
        self.tiles: dict[str, TileColumns] = {}
        self._split: Split | None = None

    @property
    def split(self) -> Split:
        """The subsets; known after :meth:`setup`."""
        if self._split is None:
            raise StudyError("the data is not set up", remedy="call setup first")
        return self._split

    def setup(self, stage: str | None = None) -> None:
        """Look at every labelled slide, split, and check that nothing leaks; done once.

        Raises:
            StudyError: No store, no such label, or classes that the labels do not hold.
            LeakError: Too little to split, or two subsets touch.
            NoTissueError: No tile holds enough tissue.
        """
        if self._split is not None:
            return
        self.slides = self._survey()
        self._check_classes(self._study.ontology)
        split = self._divide()
        self.tiles = {subset: self._tiles_of(split, subset) for subset in SUBSETS}
        for subset, tiles in self.tiles.items():
            if not len(tiles):
                raise StudyError(
                    f"no labelled tile is left for {subset}",
                    where=self.label,
                    found=", ".join(f"{name} {len(t)}" for name, t in self.tiles.items()),
                    remedy="label more tissue, or smaller tiles: --set data.spec.size_px=…",
                )
        ids = [slide.slide_id for slide in self.slides]
        guard_px = self.guard_px if split.kind is SplitKind.AREA else 0
        check_no_leak(split, self.tiles, ids, guard_px=guard_px)
        self._split = split

    def _survey(self) -> list[SlideSurvey]:
        rows = sorted(self._study.cohort, key=lambda row: row.slide_id)
        paths = [self._study.store_path(row.slide_id) for row in rows]
        stores = [SlideStore(path) for path in paths if is_complete(path)]
        if not stores:
            raise StudyError(
                "there is nothing to train on: no slide of the study has a finished store",
                where=self._study.path.name,
                remedy="make stores with `pathoai tile STUDY`",
            )
        labelled = [store for store in stores if self.label in store.labels]
        if not labelled or self.label == TISSUE:
            names = sorted({name for store in stores for name in store.labels} - {TISSUE})
            raise StudyError(
                "no store has such a label to learn from",
                where="--label",
                found=repr(self.label),
                allowed=", ".join(names) or "none yet",
                remedy="make labels with `pathoai label STUDY`, or name one with --label",
            )
        surveys = [self._survey_one(store) for store in labelled]
        if not any(len(survey.sparse) for survey in surveys):
            raise NoTissueError("no labelled tile holds enough tissue", where=self.label)
        return surveys

    def _survey_one(self, store: SlideStore) -> SlideSurvey:
        label = store.label(self.label)
        level = _survey_level(label)
        values = label.read_all(level)
        assessed = TissueMask(
            values != NOT_ASSESSED, label.grid(level), label.mpp, f"assessed in {self.label}"
        )
        size = self.spec.size_px
        dense, sparse = (
            _assessed_tiles(store, replace(self.spec, overlap_px=overlap), assessed)
            for overlap in (size - self._stride_px, 0)
        )
        return SlideSurvey(
            LabelledSlide(store.path, self.label),
            store.slide_id,
            store.identity,
            label.shards,
            label.about,
            np.bincount(values.ravel(), minlength=256),
            dense,
            sparse,
        )

    def channel_of(self, ontology: Ontology) -> NDArray[np.uint8]:
        """Value of the class map → output channel, ``(256,)`` uint8; 255 where ignored."""
        channels = np.full(256, NOT_ASSESSED, np.uint8)
        for index, channel in ontology.roll_up(self.classes).items():
            channels[index] = channel
        return channels

    def _check_classes(self, ontology: Ontology) -> None:
        counts = sum((slide.counts for slide in self.slides), np.zeros(256, np.int64))
        values = set(np.flatnonzero(counts).tolist()) - {NOT_ASSESSED}
        if unknown := values - set(ontology.by_index):
            raise StoreError(
                "the label holds values that are no class of the ontology",
                where=self.label,
                found=sorted(unknown),
                allowed=f"classes of {ontology.key}",
            )
        present = {int(self.channel_of(ontology)[value]) for value in values}
        names = ("background", *self.classes)
        if missing := [name for i, name in enumerate(names) if i not in present]:
            raise StudyError(
                "the labels do not show every class that should be told apart",
                where=self.label,
                found="only " + ", ".join(sorted(ontology.by_index[v].key for v in values)),
                allowed="some pixels of each of " + ", ".join(names),
                remedy=f"label some {' and '.join(missing)}, or choose other classes: --set classes=[…]",
            )

    def _divide(self) -> Split:
        if self._kind is SplitKind.PATIENT:
            cohort = self._study.cohort
            return split_by_patient([cohort[s.slide_id] for s in self.slides], seed=self.seed)
        grids = {s.slide_id: s.sparse for s in self.slides if len(s.sparse)}
        return split_by_area(grids, block_tiles=self._block_tiles, seed=self.seed)

    def _tiles_of(self, split: Split, subset: str) -> TileColumns:
        grids = [s.dense if subset == "train" else s.sparse for s in self.slides]
        if split.kind is SplitKind.PATIENT:
            of_slide = split.subset_of_slide()
            chosen = [
                g.origins_px if of_slide[s.slide_id] == subset else g.origins_px[:0]
                for g, s in zip(grids, self.slides, strict=True)
            ]
        else:
            chosen = [
                tiles_in_area(g, split, s.slide_id, subset, self.guard_px)
                for g, s in zip(grids, self.slides, strict=True)
            ]
        return TileColumns.joined(chosen, self.spec.size_px)

    def dataset(self, subset: str) -> TilesDataset:
        """The tiles of a subset, without augmentation."""
        return TilesDataset(
            [slide.source for slide in self.slides],
            self.tiles[subset],
            self.spec,
            self.channel_of(self._study.ontology),
        )

    def _loader(self, subset: str, sampler: SeededSampler | None = None) -> DataLoader[Batch]:
        return DataLoader(
            self.dataset(subset),  # type: ignore[arg-type]  # collating makes batches of its items
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self._workers,
            # zarr keeps a thread that a forked child would lack.
            multiprocessing_context="spawn" if self._workers else None,
            persistent_workers=self._workers > 0,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of training tiles in an order given by seed and epoch."""
        trainer = self.trainer
        sampler = SeededSampler(
            len(self.tiles["train"]),
            epoch_length=self._steps * self.batch_size,
            seed=self.seed,
            process=trainer.global_rank if trainer else 0,
            processes=trainer.world_size if trainer else 1,
        )
        return self._loader("train", sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of validation tiles."""
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of test tiles."""
        return self._loader("test")

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Vary training batches on their device; the numbers follow from seed and step."""
        if self.trainer is None or not self.trainer.training:
            return batch
        # One number per process and step, so that a resumed run goes on with the same.
        step = self.trainer.global_step * self.trainer.world_size + self.trainer.global_rank
        state = np.random.SeedSequence([self.seed, step]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        return self._augmentation(*batch, generator)


def _survey_level(label: LabelImage) -> int:
    sizes = [label.grid(level).size_px for level in range(len(label.factors))]
    small = [i for i, s in enumerate(sizes) if max(s.width, s.height) <= _SURVEY_SIDE_PX]
    return small[0] if small else len(sizes) - 1


def _assessed_tiles(store: SlideStore, spec: TileSpec, assessed: TissueMask) -> TileGrid:
    """The slide's tiles with enough tissue and some assessed pixel; perhaps none."""
    try:
        grid = store.tiles(spec)
    except NoTissueError:
        empty = np.empty((0, 2), np.int64)
        return TileGrid(spec, store.slide.grid(spec.mpp), empty, np.empty(0, np.float32))
    x, y = (grid.origins_px * [grid.grid.downsample_x, grid.grid.downsample_y]).T
    size = (spec.size_px * grid.grid.downsample_x, spec.size_px * grid.grid.downsample_y)
    keep = assessed.fraction(x, y, size) > 0
    return TileGrid(spec, grid.grid, grid.origins_px[keep], grid.tissue_fraction[keep])


def tiles_in_area(
    grid: TileGrid, split: Split, slide_id: str, subset: str, guard_px: int
) -> NDArray[np.int64]:
    """Origins of a slide's tiles that belong to a subset of an area split.

    Training tiles lie anywhere at least the guard away from the blocks of the others; tiles of
    the others lie inside their blocks.

    Args:
        grid: The candidates.
        split: By area.
        slide_id: Of the slide.
        subset: Which subset.
        guard_px: Pixels kept free, at the tiles' scale.

    Returns:
        ``(N, 2)`` int64 x and y.
    """
    size, block = grid.spec.size_px, split.block_px
    shape = (-(-grid.grid.size_px.height // block), -(-grid.grid.size_px.width // block))
    blocks = split.block_map(slide_id, shape)
    if subset != "train":
        column, row = (grid.origins_px // block).T
        return grid.origins_px[blocks[row, column] == SUBSETS.index(subset)]
    held_out = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    held_out[1:, 1:] = (blocks > 0).cumsum(0).cumsum(1)
    first = np.maximum((grid.origins_px - guard_px) // block, 0)
    last = -(-(grid.origins_px + size + guard_px) // block)
    x0, y0 = first.T
    x1, y1 = np.minimum(last, [shape[1], shape[0]]).T
    touched = held_out[y1, x1] - held_out[y0, x1] - held_out[y1, x0] + held_out[y0, x0]
    return grid.origins_px[touched == 0]
