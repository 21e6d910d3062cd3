"""Sections that every kind of prediction has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.calibration_error import expected_calibration_error
from pathoai.metrics.confusion import quotient
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap
from pathoai.report.charts import confusion_chart, forest_chart, reliability_chart
from pathoai.report.section import Cell, Figure, Measured, Section, Table, measured
from pathoai_training.report.joined_predictions import joined
from pathoai_training.report.predictions import Predictions

POOLED = "all centres, pooled"
VALUE = "value (95 % interval)"
_FEW_PATIENTS = 10


def headline_section(predictions: Predictions, bootstrap: PatientBootstrap) -> Section:
    """The main numbers."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, measured(bootstrap.of_weights(statistic))[0])
        for name, statistic in predictions.headline().items()
    )
    text = [
        "Intervals are percentiles over 2,000 resamples of patients; each patient brings all of "
        "his slides."
    ]
    if bootstrap.patients == 1:
        text.append("There is one patient only: no interval can be given.")
    elif bootstrap.patients < _FEW_PATIENTS:
        text.append(
            f"There are {bootstrap.patients} patients only: these intervals are too narrow, and "
            "say little about other patients."
        )
    return Section("headline", "Main results", tuple(text), (Table("Main", ("", VALUE), rows),))


def confusion_section(
    confusion: NDArray[np.integer[Any]], classes: tuple[str, ...], unit: str
) -> Section:
    """What was taken for what."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(int(count) for count in row))
        for name, row in zip(classes, confusion.tolist(), strict=True)
    )
    table = Table(f"{unit}, true class by row, decision by column", ("true", *classes), rows)
    worst = _largest_confusion(confusion, classes)
    chart = Figure(
        f"{unit} by true class and decision; shade: share of the true class",
        f"Confusion of {len(classes)} classes. {worst} The table above holds every count.",
        confusion_chart(confusion, classes),
    )
    return Section("confusion", "Confusion", (worst,), (table,), (chart,))


def _largest_confusion(confusion: NDArray[np.integer[Any]], classes: tuple[str, ...]) -> str:
    wrong = np.asarray(confusion).copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "No decision is wrong."
    truth, said = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"The commonest error is to take {classes[truth]} for {classes[said]}."


def calibration_section(
    counts: NDArray[np.floating[Any]], bootstrap: PatientBootstrap, unit: str
) -> Section:
    """How far probabilities can be believed.

    Args:
        counts: ``(N, B, 3)``, see :func:`reliability_counts`.
        bootstrap: Over the items' patients.
        unit: What was counted.
    """
    found = bootstrap.of_sums(counts, expected_calibration_error, centred=True)
    error = measured(replace(found, low=np.maximum(found.low, 0)))[0]
    accuracy = bootstrap.of_sums(counts, lambda sums: quotient(sums[..., 2], sums[..., 0]))
    total = counts.sum(axis=0)
    edges = np.linspace(0, 1, counts.shape[1] + 1)
    rows: list[tuple[Cell, ...]] = []
    for place, right in enumerate(measured(accuracy)):
        number, confidence, _ = total[place]
        if number:
            name = f"{edges[place]:.2f} to {edges[place + 1]:.2f}"
            rows.append((name, int(number), f"{confidence / number:.3f}", right))
    table = Table(
        f"Probability of the decision against what came true, by bins of {unit}",
        ("probability", unit, "mean probability", "share that was right"),
        tuple(rows),
    )
    main = Table("Calibration", ("", VALUE), (("expected calibration error (ECE)", error),))
    chart = Figure(
        "Reliability: on the dotted line, probabilities are what they say",
        f"Reliability diagram of {len(rows)} bins; expected calibration error {error}.",
        reliability_chart(total, accuracy),
    )
    text = (
        "With few cases even perfect probabilities show some calibration error; the limits are "
        "corrected for what resampling adds to it.",
    )
    return Section("calibration", "Calibration", text, (main, table), (chart,))


def breakdown_section(predictions: Predictions) -> Section:
    """The first headline number by centre, scanner and stain batch."""
    slides = predictions.slides
    parts = {
        f"{name} {value}": np.flatnonzero(column == value)
        for name, column in slides.groupings().items()
        for value in np.unique(column)
    }
    if not parts:
        text = "Neither centre, scanner nor stain batch of the slides is known."
        return Section("breakdown", "By centre, scanner and stain batch", (text,))
    chosen = {name: predictions.chosen(index) for name, index in parts.items()}
    table, chart = group_table(chosen, "By centre, scanner and stain batch")
    text = (
        "Groups of few patients have wide intervals; a difference inside them is no evidence of "
        "one, nor of its absence."
    )
    return Section("breakdown", "By centre, scanner and stain batch", (text,), (table,), (chart,))


def left_out_section(left_out: Mapping[str, Predictions]) -> Section:
    """Each centre, judged by a model that saw none of it.

    Args:
        left_out: Code of the centre → predictions of the model trained on all others.
    """
    pooled = {POOLED: joined(list(left_out.values()))}
    table, chart = group_table({**left_out, **pooled}, "Leave one centre out")
    text = (
        "Each row: a model trained without that centre, judged on it; the last, the predictions of "
        "all of them pooled. How far the rows lie apart says more of a new centre than the last."
    )
    return Section("left_out", "Leave one centre out", (text,), (table,), (chart,))


def group_table(groups: Mapping[str, Predictions], caption: str) -> tuple[Table, Figure]:
    """The headline of each group, and a drawing of its first number."""
    names = list(next(iter(groups.values())).headline())
    shown = names[: 1 if len(names) < 2 else 3]
    rows: list[tuple[Cell, ...]] = []
    for group, predictions in groups.items():
        bootstrap = PatientBootstrap(predictions.slides.patients)
        statistics = predictions.headline()
        cells = [measured(bootstrap.of_weights(statistics[name]))[0] for name in shown]
        number = len(set(predictions.slides.slide_ids))
        rows.append((group, bootstrap.patients, number, *cells))
    first = [row[3] for row in rows if isinstance(row[3], Measured)]
    interval = Interval(
        *(
            np.array([getattr(m, name) for m in first])
            for name in ("estimate", "low", "high", "defined")
        )
    )
    chart = Figure(
        f"{shown[0]}, 95 % intervals",
        f"{shown[0]}: " + "; ".join(f"{r[0]} {m}" for r, m in zip(rows, first, strict=True)),
        forest_chart(list(groups), interval, shown[0]),
    )
    return Table(caption, ("group", "patients", "slides", *shown), tuple(rows)), chart
