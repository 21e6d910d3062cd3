"""How far outlines of two raters agree, class by class: area, boundary, and object by object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.hausdorff import hausdorff_95_um
from pathoai.metrics.outline_objects import match_outlines
from pathoai.metrics.outline_overlap import outline_areas, outline_dice, outline_iou
from pathoai.metrics.panoptic import ObjectCounts
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap, mean_of
from pathoai_annotations.agreement.outlined_slides import OutlinedSlide

DICE, IOU, HAUSDORFF = "Dice", "intersection over union", "Hausdorff 95, µm"
F1, PANOPTIC = "object F1", "panoptic quality"
_PARTS = ("matched", "spurious", "missed", "overlap")


@dataclass(frozen=True)
class PairOutlines:
    """Counts of two raters' outlines, which can be summed over slides.

    Args:
        pair: Codes of the raters.
        classes: ``C`` keys.
        slide_ids: ``N`` codes of the slides that both read.
        patients: ``N`` codes of their patients.
        areas_um2: ``(N, C, 3)`` shared, of the first, of the second.
        objects: ``(N, C, 4)`` matched, only the second's, only the first's, summed overlap.
        hausdorff_um: ``(N, C)``; NaN where one of the two outlined none of it.
    """

    pair: tuple[str, str]
    classes: tuple[str, ...]
    slide_ids: tuple[str, ...]
    patients: tuple[str, ...]
    areas_um2: NDArray[np.float64]
    objects: NDArray[np.float64]
    hausdorff_um: NDArray[np.float64]

    @property
    def outlined(self) -> NDArray[np.int64]:
        """How many outlines each of the two has, ``(C, 2)``."""
        matched, second, first, _ = np.moveaxis(self.objects.sum(axis=0), -1, 0)
        return np.stack([matched + first, matched + second], axis=-1).astype(np.int64)

    def measures(self) -> dict[str, Interval]:
        """Each measure by class, ``(C,)``: areas and objects pooled, distances averaged."""
        bootstrap = PatientBootstrap(self.patients)
        return {
            DICE: bootstrap.of_sums(self.areas_um2, outline_dice),
            IOU: bootstrap.of_sums(self.areas_um2, outline_iou),
            HAUSDORFF: bootstrap.of_weights(mean_of(self.hausdorff_um)),
            F1: bootstrap.of_sums(self.objects, lambda sums: object_counts(sums).f1),
            PANOPTIC: bootstrap.of_sums(
                self.objects, lambda sums: object_counts(sums).panoptic_quality
            ),
        }


def pair_outlines(
    slides: Sequence[OutlinedSlide], pair: tuple[str, str], classes: tuple[str, ...]
) -> PairOutlines | None:
    """Compare two raters on the slides that both read; None where there are none."""
    both = [slide for slide in slides if set(pair) <= set(slide.outlines)]
    if not both:
        return None
    size = len(both), len(classes)
    areas, objects = np.zeros((*size, 3)), np.zeros((*size, 4))
    distance = np.full(size, np.nan)
    for row, slide in enumerate(both):
        one, other = (slide.outlines[rater] for rater in pair)
        for column, label in enumerate(classes):
            shapes = [slide.in_um(outlines.area_of(label)) for outlines in (one, other)]
            areas[row, column] = outline_areas(*shapes)
            distance[row, column] = hausdorff_95_um(*shapes)
            counts = match_outlines(one.of_class(label), other.of_class(label)).counts
            objects[row, column] = [getattr(counts, part) for part in _PARTS]
    slide_ids, patients = zip(*((slide.slide_id, slide.patient) for slide in both), strict=True)
    return PairOutlines(pair, classes, slide_ids, patients, areas, objects, distance)


def object_counts(sums: NDArray[np.float64]) -> ObjectCounts:
    """The columns of ``PairOutlines.objects``, ``(…, 4)``, by their names."""
    return ObjectCounts(*np.moveaxis(sums, -1, 0))
