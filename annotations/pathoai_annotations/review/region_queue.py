"""The regions of one slide in the order in which one reader reads them.

Most are those that the model's mistakes would cost most, as in `pathoai_annotations.review_queue`.
A stated share is drawn at random from all regions alike, and of as many others the model is hidden
(controls): what a reader says of these with and without the model's help can be compared, since
both are drawn alike. Who reads only what the model doubts, with its answer before his eyes, learns
neither how good it is nor how much it sways him (automation bias).

A queue follows from study, slide, reader, model and settings alone, and from nothing that was
decided since: who comes back finds the queue that he left, and two readers have other controls.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import StudyError
from pathoai.geometry import Region
from pathoai.inference.slide_grade import ATTENTION
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import TISSUE, SlideStore
from pathoai.study.study import Study
from pathoai.tissue.mask import TissueMask
from pathoai_annotations.journal.region_reading import RegionKind, RegionReading
from pathoai_annotations.queue_table import QueuedRegion, read_queue
from pathoai_annotations.region_candidates import RegionSpec, costs_of, regions_of_slide
from pathoai_annotations.review.mixed_kinds import mixed_kinds
from pathoai_annotations.review.queue_settings import QueueSettings
from pathoai_annotations.review_queue import CandidateRegions, rank_regions

_DRAWN = (RegionKind.RANDOM, RegionKind.CONTROL)


class QueueSource(StrEnum):
    """Who chose the regions."""

    MODEL = "model"
    """What a model is in doubt about, mixed with random regions and controls."""
    FILE = "file"
    """A table, such as ``pathoai queue`` writes."""
    TISSUE = "tissue"
    """Nobody: all tissue, field by field."""


@dataclass(frozen=True, slots=True)
class RegionToRead:
    """A region of the queue.

    Args:
        region: Level-0 pixels.
        kind: Why it is in the queue.
        label: Key of the class that the model sees most of; empty where none was asked.
        cost: Relative to the largest of all regions, 0 to 1.
    """

    region: Region
    kind: RegionKind
    label: str = ""
    cost: float = 0.0

    @property
    def key(self) -> tuple[float, float, float, float]:
        """The same for the same region, whether it comes from a journal, a table or a label."""
        return region_key(self.region)


@dataclass(frozen=True, slots=True)
class RegionQueue:
    """Regions of one slide, in the order to be read.

    Args:
        slide_id: Code of the slide.
        model: Name of the model whose work is judged in them; empty where there is none.
        source: Who chose them.
        regions: The queue.
        misses_tissue: True where the slide's tissue is damaged: then glass is in the queue as well.
    """

    slide_id: str
    model: str
    source: QueueSource
    regions: tuple[RegionToRead, ...]
    misses_tissue: bool = False

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.regions)

    @property
    def kinds(self) -> Counter[RegionKind]:
        """How many there are of each kind."""
        return Counter(one.kind for one in self.regions)

    @property
    def judges_label(self) -> bool:
        """Whether a label is judged in it, so that no model proposes anything."""
        return RegionKind.AUDIT in self.kinds

    def places_of(self, readings: Iterable[RegionReading]) -> dict[int, RegionReading]:
        """Readings of the queue's regions, with its model, by their places from 0."""
        place = {one.key: at for at, one in enumerate(self.regions)}
        own = [one for one in readings if one.model == self.model]
        found = {place.get(region_key(one.region)): one for one in own}
        return {at: one for at, one in found.items() if at is not None}

    @classmethod
    def of_slide(
        cls,
        study: Study,
        store: SlideStore,
        reader: str,
        *,
        model: str = "",
        settings: QueueSettings | None = None,
    ) -> RegionQueue:
        """The queue of a model's prediction, or of all tissue where nothing ranks regions.

        Args:
            study: The study or the reading room.
            store: The slide's.
            reader: Code of the reader.
            model: Whose prediction; none where empty.
            settings: Length, shares and sizes.
        """
        chosen = settings or QueueSettings()
        label = store.label(f"prediction/{model}") if model else None
        if label is not None and can_be_ranked(label):
            seed = seed_of(study.sheet.uuid, store.slide_id, reader, model)
            queue = cls.of_model(study, store, label, seed=seed, settings=chosen)
            # Scattered crumbs of tissue fill no region, and are to be read all the same.
            if len(queue):
                return queue
        return cls.of_tissue(store, chosen, model=model)

    @classmethod
    def of_model(
        cls,
        study: Study,
        store: SlideStore,
        label: LabelImage,
        *,
        seed: int,
        settings: QueueSettings,
    ) -> RegionQueue:
        """Regions of a prediction: the costliest, mixed with random ones and controls.

        Args:
            study: Whose ontology says what costs what.
            store: The slide's.
            label: The prediction.
            seed: Of what is drawn.
            settings: Length, shares and sizes.

        Raises:
            StoreError: The prediction holds no uncertainty.
        """
        costs = costs_of(study.ontology, label.probability_channels)
        spec = RegionSpec(settings.side_um, costs)
        tissue = store.tissue_if_readable
        candidates = regions_of_slide(label, store.slide_id, spec, [], tissue)
        order = mixed_regions(candidates, settings, seed)
        largest = max(float(candidates.cost.max(initial=0)), 1e-12)
        regions = tuple(
            RegionToRead(
                Region(*candidates.bounds[at].tolist()),
                kind,
                label.probability_channels[candidates.channel[at] - 1],
                float(candidates.cost[at]) / largest,
            )
            for at, kind in order
        )
        model = label.name.removeprefix("prediction/")
        return cls(store.slide_id, model, QueueSource.MODEL, regions, _misses(tissue, store))

    @classmethod
    def of_tissue(
        cls, store: SlideStore, settings: QueueSettings, *, model: str = ""
    ) -> RegionQueue:
        """All tissue, cut into fields that are read row by row.

        Args:
            store: The slide's.
            settings: Of which the sides are used.
            model: Whose work is judged, where it ranks no regions; the fields are smaller then,
                since all that it found there is judged.
        """
        tissue = store.tissue_if_readable
        fields = _fields(store, tissue, settings.side_um if model else settings.screening_um)
        regions = tuple(RegionToRead(one, RegionKind.CHOSEN) for one in fields)
        return cls(store.slide_id, model, QueueSource.TISSUE, regions, _misses(tissue, store))

    @classmethod
    def of_file(cls, path: Path, slide_id: str, *, model: str = "") -> RegionQueue:
        """The regions of a slide in a table of ``pathoai queue`` or ``pathoai readers queue``.

        Args:
            path: The table.
            slide_id: Code of the slide.
            model: Name of the model whose work is judged in them; empty where there is none.

        Raises:
            StudyError: There is no such table, it is damaged, or names no region of the slide.
        """
        rows = [row for row in read_queue(path) if row.slide_id == slide_id]
        if not rows:
            raise StudyError(
                "the queue has no region of this slide",
                where=path.name,
                found=slide_id,
                allowed=", ".join(slides_of_file(path)) or "none: it is empty",
            )
        regions = tuple(
            RegionToRead(row.region, _kind_of(row), row.label, row.cost)
            for row in sorted(rows, key=lambda row: row.rank)
        )
        return cls(slide_id, model, QueueSource.FILE, regions)


def slides_of_file(path: Path) -> tuple[str, ...]:
    """Codes of the slides of a table, in the order of their first regions.

    Raises:
        StudyError: There is no such table, or it is damaged.
    """
    rows = sorted(read_queue(path), key=lambda row: row.rank)
    return tuple(dict.fromkeys(row.slide_id for row in rows))


def mixed_regions(
    candidates: CandidateRegions, settings: QueueSettings, seed: int
) -> list[tuple[int, RegionKind]]:
    """Positions among the regions of a slide, in the order to be read, and why each is there.

    Args:
        candidates: All regions.
        settings: Length and shares.
        seed: Of what is drawn: random regions and controls, from all regions alike.
    """
    kinds = mixed_kinds(min(settings.regions, len(candidates)), settings.shares)
    order = np.random.default_rng(seed).permutation(len(candidates))
    count = sum(kind in _DRAWN for kind in kinds)
    drawn, rest = iter(order[:count].tolist()), np.sort(order[count:])
    costly = iter(_costliest(candidates, rest, len(kinds) - count))
    return [(next(drawn if kind in _DRAWN else costly), kind) for kind in kinds]


def can_be_ranked(label: LabelImage) -> bool:
    """Whether a prediction says how sure it is, so that its regions have a cost."""
    channels = label.probability_channels
    return bool(channels and label.uncertainty_channels) and ATTENTION not in channels


def region_key(region: Region) -> tuple[float, float, float, float]:
    """What tells regions apart; tables hold two decimals."""
    values = (region.x, region.y, region.width, region.height)
    x, y, width, height = (round(value, 2) for value in values)
    return x, y, width, height


def seed_of(*parts: str) -> int:
    """A seed that no two combinations of words share."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def _costliest(candidates: CandidateRegions, rest: NDArray[np.int64], count: int) -> list[int]:
    """Of those that were not drawn, by what a mistake would cost and how unlike they are."""
    if not count:
        return []
    queue = rank_regions(candidates.chosen(rest), {}, count=count, random_share=0)
    return [int(at) for at in rest[queue.region]]


def _kind_of(row: QueuedRegion) -> RegionKind:
    if row.random:
        return RegionKind.RANDOM
    # Of what readers differ on nobody counts how seldom its class was judged.
    return RegionKind.COSTLY if row.rarity else RegionKind.DISAGREEMENT


def _misses(tissue: TissueMask | None, store: SlideStore) -> bool:
    return tissue is None and TISSUE in store.labels


def _fields(store: SlideStore, tissue: TissueMask | None, side_um: float) -> list[Region]:
    """Squares that hold any tissue, row by row; at the slide's edges they end with it."""
    size, mpp = store.slide.size, store.header.slide_mpp
    width, height = side_um / mpp.x, side_um / mpp.y
    top, left = (
        found.ravel()
        for found in np.meshgrid(
            np.arange(0, size.height, height), np.arange(0, size.width, width), indexing="ij"
        )
    )
    if tissue is not None:
        holds = tissue.fraction(left, top, (width, height)) > 0
        left, top = left[holds], top[holds]
    return [
        Region(x, y, min(width, size.width - x), min(height, size.height - y))
        for x, y in zip(left.tolist(), top.tolist(), strict=True)
    ]
