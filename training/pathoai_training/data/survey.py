"""What the labelled stores of a study offer, looked at once before training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import NoTissueError, StoreError, StudyError
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import TISSUE, SlideStore, is_complete
from pathoai.study.study import Study
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask
from pathoai_training.data.pair_of_label import lost_its_pair
from pathoai_training.data.tiles_dataset import LabelledSlide

_BACKGROUND_REMEDY = "; `pathoai label --exhaustive` takes tissue without outline as background"
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


def survey_study(
    study: Study, label: str, spec: TileSpec, *, train_stride_px: int
) -> tuple[list[SlideSurvey], list[str]]:
    """Look at every finished store that has the label, by slide id.

    Args:
        study: The study.
        label: Name of the label.
        spec: Size and scale of the tiles.
        train_stride_px: Distance between neighbouring training tiles, at the tiles' scale.

    Returns:
        What the slides offer; and the codes of those whose label was made from a slide that is no
        longer their pair, which are left out.

    Raises:
        StudyError: No finished store, or none with such a label.
        NoTissueError: No labelled tile holds enough tissue.
    """
    paths = [study.store_path(row.slide_id) for row in study.cohort]
    stores = [SlideStore(path) for path in sorted(paths) if is_complete(path)]
    if not stores:
        raise StudyError(
            "there is nothing to train on: no slide of the study has a finished store",
            where=study.path.name,
            remedy="make stores with `pathoai tile STUDY`",
        )
    labelled = [store for store in stores if label in store.labels]
    if not labelled or label == TISSUE:
        names = sorted({name for store in stores for name in store.labels} - {TISSUE})
        raise StudyError(
            "no store has such a label to learn from",
            where="--label",
            found=repr(label),
            allowed=", ".join(names) or "none yet",
            remedy="make labels with `pathoai label STUDY`, or name one with --label",
        )
    kept, left_out = _of_present_pairs(study, labelled, label)
    surveys = [_survey(store, store.label(label), spec, train_stride_px) for store in kept]
    if not any(len(survey.sparse) for survey in surveys):
        raise NoTissueError("no labelled tile holds enough tissue", where=label)
    return surveys, left_out


def _of_present_pairs(
    study: Study, labelled: list[SlideStore], label: str
) -> tuple[list[SlideStore], list[str]]:
    cohort = study.cohort
    left_out = [
        store.slide_id
        for store in labelled
        if lost_its_pair(cohort, store.slide_id, store.label(label).about)
    ]
    if len(left_out) == len(labelled):
        raise StudyError(
            "the labels were made from slides that are no longer the pairs of these",
            where=label,
            found=", ".join(left_out),
            remedy="correct the column pair of cohort.csv, or make the labels of the present pairs "
            f"with `pathoai label STUDY --marker {label.rpartition('/')[2]}`",
        )
    return [store for store in labelled if store.slide_id not in left_out], left_out


def _survey(
    store: SlideStore, label: LabelImage, spec: TileSpec, train_stride_px: int
) -> SlideSurvey:
    level = survey_level(label)
    values = label.read_all(level)
    assessed = TissueMask(
        values != NOT_ASSESSED, label.grid(level), label.mpp, f"assessed in {label.name}"
    )
    dense, sparse = (
        _assessed_tiles(store, replace(spec, overlap_px=overlap), assessed)
        for overlap in (spec.size_px - train_stride_px, 0)
    )
    return SlideSurvey(
        LabelledSlide(store.path, label.name),
        store.slide_id,
        store.identity,
        label.shards,
        label.about,
        np.bincount(values.ravel(), minlength=256),
        dense,
        sparse,
    )


def channels_of(ontology: Ontology, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Value of the class map → output channel, ``(256,)`` uint8; 255 where ignored."""
    channels = np.full(256, NOT_ASSESSED, np.uint8)
    for index, channel in ontology.roll_up(classes).items():
        channels[index] = channel
    return channels


def check_classes(
    slides: Iterable[SlideSurvey], ontology: Ontology, classes: tuple[str, ...], *, label: str
) -> None:
    """Refuse labels from which not every channel can be learnt.

    Raises:
        StoreError: The labels hold values that the ontology does not know.
        StudyError: A class, or background, occurs nowhere.
    """
    counts = sum((slide.counts for slide in slides), np.zeros(256, np.int64))
    values = set(np.flatnonzero(counts).tolist()) - {NOT_ASSESSED}
    if unknown := values - set(ontology.by_index):
        raise StoreError(
            "the label holds values that are no class of the ontology",
            where=label,
            found=sorted(unknown),
            allowed=f"classes of {ontology.key}",
        )
    present = {int(channels_of(ontology, classes)[value]) for value in values}
    names = ("background", *classes)
    if missing := [name for i, name in enumerate(names) if i not in present]:
        more = _BACKGROUND_REMEDY * ("background" in missing)
        raise StudyError(
            "the labels do not show every class that should be told apart",
            where=label,
            found="only " + (", ".join(sorted(ontology.by_index[v].key for v in values)) or "255"),
            allowed="some pixels of each of " + ", ".join(names),
            remedy=f"label some {' and '.join(missing)}, or choose others: --set classes=[…]{more}",
        )


def survey_level(label: LabelImage) -> int:
    """The finest level of a label that is small enough to look at whole."""
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
