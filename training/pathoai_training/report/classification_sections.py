"""Sections of slide grading and of region classification."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.agreement import precision, recall
from pathoai.metrics.calibration_error import reliability_counts
from pathoai.metrics.cost_score import cost_score
from pathoai.metrics.expected_cost import CostMatrix
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.metrics.ranking import auc_of_classes, auc_of_thresholds
from pathoai.report.section import Cell, Section, Table, measured
from pathoai_training.report.decision_sections import Decisions, decision_sections
from pathoai_training.report.predictions import SlidePredictions
from pathoai_training.report.shared_sections import calibration_section, confusion_section


def classification_sections(
    predictions: SlidePredictions, bootstrap: PatientBootstrap, decisions: Decisions
) -> list[Section]:
    """Everything that can be said of decisions and of the probabilities behind them."""
    count = len(predictions.slides)
    sections = [
        _classes(predictions, bootstrap),
        confusion_section(predictions.confusion.sum(axis=0), predictions.classes, "cases"),
    ]
    if predictions.costs is not None:
        sections.append(_costs(predictions, predictions.costs, bootstrap))
    counts = reliability_counts(
        predictions.of_readings, predictions.truth, np.arange(count), items=count
    )
    calibration = calibration_section(counts, bootstrap, "cases")
    if predictions.reader_noise:
        calibration = replace(calibration, text=(_of_readings(predictions), *calibration.text))
    sections.append(calibration)
    return sections + decision_sections(predictions, bootstrap, decisions)


def _of_readings(predictions: SlidePredictions) -> str:
    return (
        "The model's probabilities are of the true grade; here they are turned into those of what "
        f"readers say, {predictions.reader_noise:.0%} of whose grades are one off."
    )


def _classes(predictions: SlidePredictions, bootstrap: PatientBootstrap) -> Section:
    recalls, precisions = (
        measured(bootstrap.of_sums(predictions.confusion, metric)) for metric in (recall, precision)
    )
    areas = measured(
        bootstrap.of_weights(
            lambda w: auc_of_classes(predictions.probabilities, predictions.truth, w)
        )
    )
    numbers = np.bincount(predictions.truth, minlength=len(predictions.classes)).tolist()
    rows = tuple(zip(predictions.classes, numbers, recalls, precisions, areas, strict=True))
    tables = [Table("Each class", ("class", "cases", "recall", "precision", "AUC"), rows)]
    if predictions.ordinal:
        found = measured(
            bootstrap.of_weights(
                lambda w: auc_of_thresholds(predictions.probabilities, predictions.truth, w)
            )
        )
        names = [f"{name} or worse" for name in predictions.classes[1:]]
        tables.append(Table("Each grade", ("", "AUC"), tuple(zip(names, found, strict=True))))
    return Section("classes", "Each class", (), tuple(tables))


def _costs(
    predictions: SlidePredictions, costs: CostMatrix, bootstrap: PatientBootstrap
) -> Section:
    found, agreement, constant = (
        measured(bootstrap.of_sums(predictions.confusion, partial(_part, costs, name)))
        for name in ("score", "quadratic_kappa", "constant")
    )
    rows: list[tuple[Cell, ...]] = [("model", found[0], agreement[0])]
    for name, value in zip(costs.classes, constant, strict=True):
        rows.append((f"always {name}", value, "0 by definition"))
    matrix = tuple(
        (name, *(f"{cost:g}" for cost in row))
        for name, row in zip(costs.classes, costs.costs, strict=True)
    )
    text = (
        "The score is 1 minus the mean cost. It means little alone: deciding the same for every "
        "slide can score well, so what that would give stands beside it.",
        f"Source of the costs: {costs.source or 'not stated'}.",
    )
    tables = (
        Table("Score", ("decision", "score", "quadratic weighted kappa"), tuple(rows)),
        Table("Costs, truth by row, decision by column", ("true", *costs.classes), matrix),
    )
    return Section("costs", "Score by costs", text, tables)


def _part(costs: CostMatrix, name: str, confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    part: NDArray[np.float64] = getattr(cost_score(confusion, costs), name)
    return part
