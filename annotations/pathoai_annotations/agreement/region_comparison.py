"""Whether outlines of readers agree with a model's as with each other's, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.confusion import mean_of_known
from pathoai.metrics.outline_overlap import outline_dice
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap
from pathoai_annotations.agreement.region_agreement import (
    DICE,
    F1,
    PANOPTIC,
    PairOutlines,
    object_counts,
)

Counts = NDArray[np.float64]
COMPARED = (DICE, F1, PANOPTIC)
_AREAS = 3
"""The first so many columns of a pair's counts are areas, the others objects."""


@dataclass(frozen=True)
class RegionComparison:
    """Mean over pairs of readers, over pairs of a reader and the model, and the difference.

    Args:
        among_readers: ``(C, M)`` by class and measure, in the order of ``COMPARED``.
        with_model: Likewise.
        difference: With the model less among readers.
        slides: How many at least two readers and the model looked at.
    """

    among_readers: Interval
    with_model: Interval
    difference: Interval
    slides: int


def compare_outlines(pairs: Sequence[PairOutlines], model: str) -> RegionComparison | None:
    """On slides that two readers and the model looked at, over the same resamples of patients.

    Args:
        pairs: Of raters, all with the same classes.
        model: Name of the model among them.

    Returns:
        None where there is no such slide.
    """
    humans = [pair for pair in pairs if model not in pair.pair]
    machine = [pair for pair in pairs if model in pair.pair]
    seen = [{slide for pair in group for slide in pair.slide_ids} for group in (humans, machine)]
    shared = sorted(set.intersection(*seen))
    if not shared:
        return None
    patients = {s: p for pair in pairs for s, p in zip(pair.slide_ids, pair.patients, strict=True)}
    items = np.stack([_rows(pair, shared) for pair in (*humans, *machine)], axis=1)
    cut = len(humans)

    def statistic(sums: Counts) -> NDArray[np.float64]:
        among, against = _means(sums[:, :cut]), _means(sums[:, cut:])
        return np.stack([among, against, against - among], axis=1)

    bootstrap = PatientBootstrap([patients[slide] for slide in shared])
    found = bootstrap.of_sums(items, statistic)
    among, against, difference = (found.part(at) for at in range(3))
    return RegionComparison(among, against, difference, len(shared))


def _rows(pair: PairOutlines, slide_ids: Sequence[str]) -> Counts:
    """A pair's counts on some slides, ``(N, C, 7)``; 0 on those that one of the two did not see."""
    place = {slide: at for at, slide in enumerate(pair.slide_ids)}
    counts = np.concatenate([pair.areas_um2, pair.objects], axis=-1)
    found = np.zeros((len(slide_ids), *counts.shape[1:]))
    for row, slide in enumerate(slide_ids):
        if slide in place:
            found[row] = counts[place[slide]]
    return found


def _means(sums: Counts) -> NDArray[np.float64]:
    """Means over pairs, ``(B, C, M)``, from ``(B, P, C, 7)``."""
    objects = object_counts(sums[..., _AREAS:])
    measures = (outline_dice(sums[..., :_AREAS]), objects.f1, objects.panoptic_quality)
    return np.stack([mean_of_known(np.moveaxis(one, 1, -1)) for one in measures], axis=-1)
