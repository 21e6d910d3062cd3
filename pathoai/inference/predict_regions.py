"""What a model says of regions of a slide, one by one: class, probabilities, how sure it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.errors import InvalidValueError
from pathoai.inference.ensemble import EXPECTED_ENTROPY, Ensemble, Member
from pathoai.inference.kept_rows import KeptRows
from pathoai.inference.predictor import ENTROPY, MUTUAL_INFORMATION
from pathoai.inference.regions import Regions, Squares
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle
from pathoai.models.region_decision import RegionDecision
from pathoai.models.uncertainty import relative_entropy
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.preprocess.device_memory import fitting
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable
from pathoai.store.region_views import RegionViews, place_regions
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

UNCERTAINTY, EXPECTED_COST, ANNOTATION_ID = "uncertainty", "expected_cost", "annotation_id"
"""Columns of the table, beside ``probability_<class>``."""
_THREADS = 2


def probability_column(key: str) -> str:
    """The column that holds the probability of a class."""
    return f"probability_{key}"


@dataclass(frozen=True)
class RegionPredictor:
    """A model ready to name regions.

    Args:
        bundle: What the model is.
        network: Its weights, on ``device``.
        ontology: The study's classes.
        device: Where it computes.
        batch_size: Regions per batch.
        others: What else is asked, and averaged with it; the first decides by its costs.
        turned: Every network is asked about all eight symmetries of a region.

    Raises:
        InvalidValueError: The batch is empty.
        ModelError: The model does another task, or is for another ontology; the others have other
            classes or input.
        OntologyError: The ontology lacks a class of the model.
    """

    bundle: ModelBundle
    network: nn.Module
    ontology: Ontology
    device: torch.device
    batch_size: int = 8
    others: tuple[Member, ...] = ()
    turned: bool = False

    def __post_init__(self) -> None:
        """Refuse what names no regions of this study."""
        if self.batch_size < 1:
            raise InvalidValueError("batch size", found=self.batch_size, allowed="1 or more")
        self.bundle.check_task(REGION_CLASSIFICATION)
        self.bundle.channel_classes(self.ontology)
        _ = self.decision, self.ensemble

    @cached_property
    def decision(self) -> RegionDecision:
        """How it is asked, and how it decides."""
        return RegionDecision.from_dict(self.bundle.decision, where=self.bundle.name)

    @cached_property
    def ensemble(self) -> Ensemble:
        """All that is asked."""
        return Ensemble((Member(self.bundle, self.network), *self.others), turned=self.turned)

    @property
    def uncertainty_channels(self) -> tuple[str, ...]:
        """What a label holds of uncertainty: 0 for none, 255 for the most that classes allow."""
        return (ENTROPY,) if self.ensemble.asks_once else (ENTROPY, MUTUAL_INFORMATION)

    @property
    def opinions(self) -> dict[str, Any]:
        """Who is asked, where that is more than the model itself as it is."""
        about = self.ensemble.about
        if self.ensemble.asks_once:
            about = {key: value for key, value in about.items() if key == "int8"}
        return about

    def about(self, store: SlideStore, regions: Regions) -> dict[str, Any]:
        """What a prediction says of itself: model, version of its input, and that it is one."""
        return self.bundle.proposal(store.identity) | {"regions": regions.about} | self.opinions

    @property
    def runtime(self) -> dict[str, str]:
        """What computes: ``runtime`` and ``precision``."""
        return self.ensemble.runtime

    def views(self, store: SlideStore) -> RegionViews:
        """What the network is shown of a slide."""
        return RegionViews(store, self.bundle.spec, self.bundle.context)

    def answers(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What is said of views ``(N, V, 3, S, S)``.

        Returns:
            ``(N, outputs)``: calibrated probabilities; then, where more than one is asked, the mean
            of their entropies, relative to the largest.
        """
        parts = []
        with fitting(self.batch_size), torch.inference_mode():
            for start in range(0, len(views), self.batch_size):
                batch = torch.from_numpy(views[start : start + self.batch_size])
                parts.append(self.ensemble(batch.to(self.device)).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)


def answers_on_regions(
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    kept: KeptRows,
    advance: Advance = silent,
) -> NDArray[np.float32]:
    """Ask about every region, or go on where an interrupted run stopped.

    Args:
        store: The slide's.
        predictor: The model.
        regions: Of the slide.
        kept: Where rows are kept until all are there.
        advance: Told of regions done and regions in all.

    Returns:
        ``(N, outputs)``, as of :meth:`RegionPredictor.answers`.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    views = predictor.views(store)
    origins_px = place_regions(store, predictor.bundle.spec, regions.centres).origins_px
    found = np.empty((len(regions), predictor.ensemble.outputs), np.float32)
    kept.begin()
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in kept.parts:
            rows = kept.read(part)
            if rows is None:
                rows = predictor.answers(views.read(origins_px[part], pool))
                kept.write(part, rows)
            found[part] = rows
            advance(part.stop, len(regions))
    return found


def region_table(
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    answers: NDArray[np.float32],
) -> ObjectTable:
    """The regions with all that the model says of them.

    Args:
        store: The slide's.
        predictor: The model.
        regions: Of the slide.
        answers: ``(N, outputs)``, on the regions.

    Returns:
        ``class_index`` is what is decided, ``probability`` that of this class; then the probability
        of each class, ``uncertainty`` (entropy, relative to its largest value),
        ``mutual_information`` (what of it is disagreement) where more than one was asked,
        ``expected_cost`` where the model has costs, and ``annotation_id`` where regions are
        annotations. A point has no area.
    """
    probabilities = answers[:, : len(predictor.bundle.classes)]
    decided = predictor.decision.decide(probabilities)
    values = np.array(predictor.bundle.class_indices(predictor.ontology), np.uint8)
    columns: dict[str, NDArray[Any]] = {
        probability_column(key): probabilities[:, at]
        for at, key in enumerate(predictor.bundle.classes)
    }
    columns[UNCERTAINTY] = relative_entropy(probabilities).astype(np.float32)
    if not predictor.ensemble.asks_once:
        disagreement = columns[UNCERTAINTY] - answers[:, EXPECTED_ENTROPY]
        columns[MUTUAL_INFORMATION] = disagreement.clip(0, 1)
    if predictor.decision.costs is not None:
        expected = predictor.decision.costs.expected(probabilities).min(axis=1)
        columns[EXPECTED_COST] = expected.astype(np.float32)
    if regions.ids is not None:
        columns[ANNOTATION_ID] = regions.ids
    return ObjectTable(
        regions.outlines,
        values[decided],
        probabilities[np.arange(len(decided)), decided].clip(0, 1),
        (shapely.area(regions.outlines) * store.header.slide_mpp.pixel_area_um2).astype(np.float32),
        predictor.about(store, regions),
        columns,
    )


def write_region_label(
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    table: ObjectTable,
    name: str,
) -> LabelImage:
    """Lay regions that tile the slide into its store; 255 where there is none.

    Args:
        store: The slide's; the caller holds its lock.
        predictor: The model.
        regions: With squares.
        table: Of the same regions.
        name: Of the label.

    Returns:
        Class map, the probability of each class (the model knows no background), and uncertainty.
    """
    squares = regions.squares
    assert squares is not None  # the caller asked
    classes = predictor.bundle.channel_classes(predictor.ontology)
    recipe = LabelRecipe(
        name,
        classes,
        predictor.about(store, regions),
        factor=squares.factor,
        probability_channels=tuple(c.key for c in classes),
        uncertainty_channels=predictor.uncertainty_channels,
    )
    writer = LabelWriter(store.path, store.header, recipe)
    shape = writer.class_map.array.shape
    names = [probability_column(key) for key in predictor.bundle.classes]
    names += [UNCERTAINTY, MUTUAL_INFORMATION][: len(predictor.uncertainty_channels)]
    values = np.rint(np.stack([table.columns[key] for key in names]) * 255).astype(np.uint8)
    class_map = _painted(squares, shape, table.class_index[None], NOT_ASSESSED)[0]
    shares = _painted(squares, shape, values, 0)
    for shard in shards_of(shape):
        inside = shard_slices(shard, shape)
        writer.uncertainty.write(shard, shares[len(classes) :, *inside])
        writer.probability.write(shard, shares[: len(classes), *inside])
        writer.class_map.write(shard, class_map[inside])
    writer.finish(class_map)
    return store.label(name)


def _painted(
    squares: Squares, shape: tuple[int, ...], values: NDArray[np.uint8], fill: int
) -> NDArray[np.uint8]:
    """Planes of a label, ``(C, height, width)``, of values ``(C, N)`` of its squares."""
    height, width = (-(-length // squares.across) for length in shape)
    small = np.full((len(values), height, width), fill, np.uint8)
    small[:, squares.rows, squares.columns] = values
    large = small.repeat(squares.across, axis=1).repeat(squares.across, axis=2)
    return large[:, : shape[0], : shape[1]]
