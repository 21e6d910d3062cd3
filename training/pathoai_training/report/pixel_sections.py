"""Sections of semantic and of instance segmentation."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.agreement import precision, recall
from pathoai.metrics.overlap import dice, intersection_over_union
from pathoai.metrics.patient_bootstrap import PatientBootstrap, mean_of
from pathoai.report.section import Cell, Section, Table, measured
from pathoai_training.report.predictions import InstanceCounts, SegmentationCounts, counts_of
from pathoai_training.report.shared_sections import calibration_section, confusion_section


def segmentation_sections(counts: SegmentationCounts, bootstrap: PatientBootstrap) -> list[Section]:
    """Classes, confusion and calibration of pixels."""
    sections = [
        _segmentation_classes(counts, bootstrap),
        confusion_section(counts.confusion.sum(axis=0), counts.classes, "pixels"),
    ]
    if counts.reliability.any():
        sections.append(calibration_section(counts.reliability, bootstrap, "pixels"))
    return sections


def _segmentation_classes(counts: SegmentationCounts, bootstrap: PatientBootstrap) -> Section:
    pooled = [
        measured(bootstrap.of_sums(counts.confusion, statistic))
        for statistic in (dice, intersection_over_union, recall, precision)
    ]
    per_slide = [
        measured(bootstrap.of_weights(mean_of(metric(counts.confusion))))
        for metric in (dice, intersection_over_union)
    ]
    shown = (dice(counts.confusion) == dice(counts.confusion)).sum(axis=0)  # NaN is not itself
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(column[k] for column in pooled)) for k, name in enumerate(counts.classes)
    )
    by_slide: tuple[tuple[Cell, ...], ...] = tuple(
        (name, int(shown[k]), *(column[k] for column in per_slide))
        for k, name in enumerate(counts.classes)
    )
    return Section(
        "classes",
        "Each class",
        ("Pixels that nobody assessed are left out everywhere.",),
        (
            Table(
                "Pooled over all pixels",
                ("class", "Dice", "intersection over union", "recall", "precision"),
                rows,
            ),
            Table(
                "Mean over slides on which the class is true or predicted",
                ("class", "slides", "Dice", "intersection over union"),
                by_slide,
            ),
        ),
    )


def _part(name: str, table: NDArray[np.float64]) -> NDArray[np.float64]:
    part: NDArray[np.float64] = getattr(counts_of(table), name)
    return part


_INSTANCE_COLUMNS = (
    "class",
    "true",
    "predicted",
    "panoptic quality, pooled",
    "F1, pooled",
    "overlap of matches, pooled",
    "panoptic quality, mean over slides",
)


def instance_sections(counts: InstanceCounts, bootstrap: PatientBootstrap) -> list[Section]:
    """How objects of each class were found and outlined."""
    pooled = [
        measured(bootstrap.of_sums(counts.table, partial(_part, name)))
        for name in ("panoptic_quality", "f1", "segmentation_quality")
    ]
    per_item = measured(bootstrap.of_weights(mean_of(counts.objects.panoptic_quality)))
    total = counts.table.sum(axis=0)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            int(total[k, 0] + total[k, 2]),
            int(total[k, 0] + total[k, 1]),
            *(column[k] for column in pooled),
            per_item[k],
        )
        for k, name in enumerate(("all objects", *counts.classes))
    )
    caption = f"Objects that match above {counts.threshold:g} intersection over union"
    text = (
        "Of a class: an object that was found but named wrongly is missed in its class and "
        "spurious in the other. In the first row names do not matter."
    )
    table = Table(caption, _INSTANCE_COLUMNS, rows)
    return [Section("classes", "Each class", (text,), (table,))]
