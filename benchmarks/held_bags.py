"""Bags of a study that many runs share: slides are looked at once, and their features read once.

Training is the product's; what is spared is opening the same stores for each of fifty runs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_training.data.bag_data import BagData
from pathoai_training.data.bag_dataset import BagDataset
from pathoai_training.data.graded_slides import GradedSlide, graded_slides
from pathoai_training.splits.chosen_split import fold_of, parse_choice
from pathoai_training.splits.split import SUBSETS
from pathoai_training.splits.written_split import read_split


class HeldBags(BagData):
    """Takes what :class:`BagData` takes."""

    def setup(self, stage: str | None = None) -> None:
        """Split the slides; each is a patient of its own, so that nothing can leak."""
        if self._split is not None:
            return
        self.slides = _slides(self._study.path, self.classes, self.encoder_name)
        self.spec = self.slides[0].spec
        name, fold = parse_choice(self._choice)
        ids = [slide.slide_id for slide in self.slides]
        self._split = fold_of(read_split(self._study, name), fold, ids)
        self._served = SUBSETS
        self._check_learnable()

    def dataset(self, subset: str) -> BagDataset:
        """The bags of a subset, read already."""
        slides = self.slides_of(subset)
        return _HeldDataset(slides, self.encoder_name, bag_size=self._bag_size, seed=self.seed)


class _HeldDataset(BagDataset):
    def _features(self, position: int) -> NDArray[Any]:
        return _features(self.slides[position].store, self._encoder)


@cache
def _slides(study: Path, classes: tuple[str, ...], encoder: str) -> list[GradedSlide]:
    return graded_slides(Study(study), classes, encoder)[0]


@cache
def _features(store: Path, encoder: str) -> NDArray[Any]:
    return np.asarray(SlideStore(store).features(encoder).features[:])
