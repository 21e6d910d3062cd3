"""Models judged on the same slides: paired differences, with intervals over the same resamples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.patient_bootstrap import PatientBootstrap, Statistic
from pathoai.report.section import Cell, Section, Table, measured
from pathoai_training.report.predictions import (
    InstanceCounts,
    Predictions,
    SegmentationCounts,
    SlidePredictions,
)
from pathoai_training.report.read_report import StoredReport


def comparison_section(reports: Sequence[StoredReport]) -> Section:
    """Each model against the first, in every headline number.

    Args:
        reports: Two or more, of different models on the same slides.

    Raises:
        InvalidValueError: Fewer than two, or they were judged on different splits, slides, classes
            or truth.
    """
    first = reports[0]
    if len(reports) < 2 or len({r.bundle_sha256 for r in reports}) < len(reports):
        raise InvalidValueError(
            "a comparison needs different models",
            found=", ".join(r.model for r in reports),
            allowed="two or more",
        )
    for other in reports[1:]:
        _refuse_unlike(first, other)
    bootstrap = PatientBootstrap(first.predictions.slides.patients)
    rows = [_row(name, reports, bootstrap) for name in first.predictions.headline()]
    columns = ["", first.model]
    for report in reports[1:]:
        columns += [report.model, f"{report.model} − {first.model}"]
    text = (
        f"{bootstrap.patients} patients, the same slides for every model. Differences are paired: "
        "both models are resampled together, by patient. An interval that holds 0 shows no "
        "difference. Intervals are not widened for the number of comparisons.",
    )
    table = Table("Values and differences (95 % intervals)", tuple(columns), tuple(rows))
    return Section("comparison", "Comparison", text, (table,))


def _row(
    name: str, reports: Sequence[StoredReport], bootstrap: PatientBootstrap
) -> tuple[Cell, ...]:
    first, *others = (report.predictions.headline()[name] for report in reports)
    cells: list[Cell] = [name, measured(bootstrap.of_weights(first))[0]]
    for other in others:
        cells.append(measured(bootstrap.of_weights(other))[0])
        difference = bootstrap.of_weights(_difference(other, first))
        cells.append(measured(difference, signed=True)[0])
    return tuple(cells)


def _difference(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: one(weights) - other(weights)


def _refuse_unlike(first: StoredReport, other: StoredReport) -> None:
    one, two = first.predictions, other.predictions
    checks = {
        "split": (first.split_sha256, other.split_sha256),
        "subset": (first.subset, other.subset),
        "task": (one.kind, two.kind),
        "classes": (one.classes, two.classes),
        "numbers": (list(one.headline()), list(two.headline())),
    }
    for what, (wanted, found) in checks.items():
        if wanted != found:
            raise _unlike(what, first, other)
    if one.slides != two.slides:
        raise _unlike("slides", first, other)
    if not np.array_equal(_truth_of(one), _truth_of(two)):
        raise _unlike("labels", first, other)


def _unlike(what: str, first: StoredReport, other: StoredReport) -> InvalidValueError:
    return InvalidValueError(
        f"models judged on different {what} cannot be compared",
        where=f"{first.model} and {other.model}",
        remedy="evaluate both on one split with today's labels",
    )


def _truth_of(predictions: Predictions) -> NDArray[Any]:
    """What must be the same whatever a model predicts."""
    match predictions:
        case SlidePredictions():
            return predictions.truth
        case SegmentationCounts():
            return np.asarray(predictions.confusion.sum(axis=2))
        case InstanceCounts():
            return predictions.table[..., 0] + predictions.table[..., 2]
