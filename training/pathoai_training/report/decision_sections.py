"""Sections on what is done with probabilities: thresholds, referral, sets of classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.decision_curve import net_benefit, net_benefit_of_all
from pathoai.metrics.operating_point import OperatingPoint, at_sensitivity, at_specificity
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.metrics.ranking import sensitivity_at
from pathoai.metrics.referral_curve import referral_curve
from pathoai.models.prediction_sets import PredictionSets, check_sets
from pathoai.models.referral import REFERRED, ReferralRule, check_referral
from pathoai.report.charts import GREY, drawing
from pathoai.report.section import (
    Cell,
    Figure,
    Section,
    Table,
    measured,
    measured_share,
)
from pathoai_training.report.predictions import SlidePredictions

_SHARES = np.linspace(0.0, 0.9, 19)
_SHOWN_SHARES = (0, 4, 8, 12, 16)
_THRESHOLDS = np.linspace(0.01, 0.6, 60)
_SHOWN_THRESHOLDS = (4, 9, 19, 29, 49)
_SPECIFICITIES, _SENSITIVITIES = (0.8, 0.9, 0.95), (0.95, 0.98)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was fixed before the test was looked at.

    Args:
        validation: Predictions on which thresholds are set; None where there are none.
        referral: Which slides go to the doctor.
        sets: Prediction sets, of one kind each.
    """

    validation: SlidePredictions | None = None
    referral: ReferralRule | None = None
    sets: tuple[PredictionSets, ...] = ()


def decision_sections(
    predictions: SlidePredictions, bootstrap: PatientBootstrap, decisions: Decisions
) -> list[Section]:
    """Operating points, decision curve, referral and prediction sets, as far as they apply."""
    sections = []
    if predictions.first_high is not None:
        grade = f"{predictions.classes[predictions.first_high]} or worse"
        sections.append(_operating_points(predictions, bootstrap, decisions.validation, grade))
        sections.append(_decision_curve(predictions, bootstrap, grade))
    sections.append(_referral(predictions, bootstrap, decisions.referral))
    if decisions.sets:
        sections.append(_sets(predictions, decisions.sets))
    return sections


def _points(validation: SlidePredictions | None) -> list[OperatingPoint]:
    if validation is None:
        return []
    scores, cases = validation.high_probability, validation.is_high
    points = []
    if not cases.all():
        points += [at_specificity(scores, cases, aim) for aim in _SPECIFICITIES]
    if cases.any():
        points += [at_sensitivity(scores, cases, aim) for aim in _SENSITIVITIES]
    return points


def _operating_points(
    predictions: SlidePredictions,
    bootstrap: PatientBootstrap,
    validation: SlidePredictions | None,
    grade: str,
) -> Section:
    scores, cases = predictions.high_probability, predictions.is_high
    rows: list[tuple[Cell, ...]] = []
    for point in _points(validation):
        rates = measured(bootstrap.of_weights(partial(point.rates, scores, cases)))
        rows.append((point.aim, f"{point.threshold:.4f}", *rates))
    columns = ("aim on validation", "threshold", "sensitivity here", "specificity here")
    table = Table(f"{grade}, thresholds set on validation", columns, tuple(rows))
    text = f"Cases are {grade}; the score is the probability of that."
    if not rows:
        text += " No validation predictions were given, so no threshold could be set honestly."
    shown = "; ".join(f"{row[0]}: sensitivity {row[2]}, specificity {row[3]}" for row in rows)
    chart = Figure(
        f"ROC curve of {grade}, 95 % band",
        f"ROC curve of {grade}. {shown or 'No thresholds were set.'}",
        _roc_chart(predictions, bootstrap),
    )
    title = "Sensitivity and specificity"
    return Section("operating_points", title, (text,), (table,) if rows else (), (chart,))


def _roc_chart(predictions: SlidePredictions, bootstrap: PatientBootstrap) -> bytes:
    scores, cases = predictions.high_probability, predictions.is_high
    grid = np.linspace(0, 1, 101)
    curve = bootstrap.of_weights(partial(sensitivity_at, scores, cases, grid))
    with drawing("1 − specificity", "sensitivity") as drawn:
        drawn.line(0, grid, curve, "model")
        drawn.axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="chance")
    return drawn.image


def _decision_curve(
    predictions: SlidePredictions, bootstrap: PatientBootstrap, grade: str
) -> Section:
    scores, cases = predictions.high_probability, predictions.is_high

    def above_default(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        default = np.maximum(net_benefit_of_all(cases, _THRESHOLDS, weights), 0)
        return net_benefit(scores, cases, _THRESHOLDS, weights) - default

    gains = measured(bootstrap.of_weights(above_default), signed=True)
    rows = tuple((f"{_THRESHOLDS[i]:.2f}", gains[i]) for i in _SHOWN_THRESHOLDS)
    table = Table(
        "Net benefit of the model above the better of acting on all and on none",
        ("threshold probability", "difference (95 % interval)"),
        rows,
    )
    shown = "; ".join(f"at {name} {gain}" for name, gain in rows)
    chart = Figure(
        f"Decision curve of {grade}, 95 % bands",
        f"Net benefit of the model above the better default: {shown}.",
        _net_benefit_chart(predictions, bootstrap),
    )
    text = (
        "Net benefit counts true positives, less false positives weighed by the odds of the "
        "probability from which a doctor would act.",
    )
    return Section("decision_curve", "Decision curve", text, (table,), (chart,))


def _net_benefit_chart(predictions: SlidePredictions, bootstrap: PatientBootstrap) -> bytes:
    scores, cases = predictions.high_probability, predictions.is_high
    of_model = bootstrap.of_weights(lambda w: net_benefit(scores, cases, _THRESHOLDS, w))
    of_all = bootstrap.of_weights(lambda w: net_benefit_of_all(cases, _THRESHOLDS, w))
    with drawing("threshold probability", "net benefit") as drawn:
        drawn.line(0, _THRESHOLDS, of_model, "act on the model")
        drawn.line(1, _THRESHOLDS, of_all, "act on all")
        drawn.axes.axhline(0, color=GREY, linestyle=":", label="act on none")
        # Acting on all falls without bound; what lies far below 0 is of no use to anyone.
        top = float(np.nanmax(of_model.estimate, initial=0.05))
        drawn.axes.set_ylim(-0.25 * top, 1.3 * top)
    return drawn.image


def _referral(
    predictions: SlidePredictions, bootstrap: PatientBootstrap, rule: ReferralRule | None
) -> Section:
    doubt, order = _doubt(predictions)
    curves = {
        name: bootstrap.of_weights(partial(referral_curve, doubt, loss, _SHARES))
        for name, loss in _losses(predictions).items()
    }
    columns = [measured(interval) for interval in curves.values()]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{_SHARES[i]:.0%}", *(column[i] for column in columns)) for i in _SHOWN_SHARES
    )
    with drawing("share referred to the doctor", "of the slides that the model keeps") as drawn:
        for place, (name, interval) in enumerate(curves.items()):
            drawn.line(place, _SHARES, interval, name)
        drawn.axes.set_ylim(bottom=0)
    chart = Figure(
        "What stays wrong when the least certain slides are referred, 95 % bands",
        "; ".join(f"{row[0]} referred: {row[1]} decided wrongly" for row in rows) + ".",
        drawn.image,
    )
    tables = [Table(f"Referred by {order}, least certain first", ("referred", *curves), rows)]
    text: list[str] = []
    if rule is not None:
        text, table = _rule(predictions, rule)
        tables.insert(0, table)
    return Section("referral", "Referral to the doctor", tuple(text), tuple(tables), (chart,))


def _doubt(predictions: SlidePredictions) -> tuple[NDArray[np.float64], str]:
    if predictions.costs is None:
        return 1 - predictions.probabilities.max(axis=1), "probability of the decision"
    return predictions.costs.expected(predictions.probabilities).min(axis=1), "expected cost"


def _losses(predictions: SlidePredictions) -> dict[str, NDArray[np.float64]]:
    truth, decided = predictions.truth, predictions.decided
    losses = {"share decided wrongly": (decided != truth).astype(np.float64)}
    if predictions.costs is not None:
        losses["mean cost"] = predictions.costs.array[truth, decided]
    return losses


def _rule(predictions: SlidePredictions, rule: ReferralRule) -> tuple[list[str], Table]:
    check = check_referral(
        rule, predictions.probabilities, predictions.truth, predictions.slides.patients
    )
    kept = rule.decide(predictions.probabilities) != REFERRED
    accepted = rule.accepted_miss_rate
    verdict = (
        "The held-out slides contradict the promise: the whole exact interval of the miss rate "
        "lies above the accepted rate. Do not use this rule."
        if check.contradicts(accepted)
        else "The held-out slides do not contradict the promise."
    )
    rows: tuple[tuple[Cell, ...], ...] = (
        ("slides graded by the model", int(kept.sum()), len(kept), measured_share(check.graded)),
        (
            "patients with a high-grade slide that is missed",
            check.missed.count,
            check.missed.total,
            measured_share(check.missed),
        ),
        (
            "graded slides that are graded wrongly",
            check.wrong.count,
            check.wrong.total,
            measured_share(check.wrong),
        ),
    )
    table = Table(
        f"The rule that accepts a miss rate of {100 * accepted:g} %, on held-out slides",
        ("", "number", "of", "share (exact 95 % interval)"),
        rows,
    )
    return [rule.statement, verdict], table


def _sets(predictions: SlidePredictions, every: tuple[PredictionSets, ...]) -> Section:
    tables = []
    for sets in every:
        check = check_sets(sets, predictions.probabilities, predictions.truth)
        rows: list[tuple[Cell, ...]] = [
            ("all", check.covered.total, measured_share(check.covered)),
            *(
                (name, share.total, measured_share(share))
                for name, share in zip(predictions.classes, check.covered_by_class, strict=True)
            ),
        ]
        aim = f"{1 - sets.error_rate:.0%}"
        kind = sets.kind.value.replace("_", " ")
        caption = f"Sets {kind}: share that holds the true class, aim {aim}"
        tables.append(
            Table(caption, ("true class", "cases", "share (exact 95 % interval)"), tuple(rows))
        )
        sizes: tuple[tuple[Cell, ...], ...] = tuple(
            (str(size), number) for size, number in enumerate(check.sizes)
        )
        tables.append(Table(f"Sets {kind}: classes in a set", ("classes", "cases"), sizes))
    text = (
        "A set holds every class that cannot be ruled out at the stated rate. Small sets that keep "
        "the rate are good; the rate alone says little.",
    )
    return Section("prediction_sets", "Prediction sets", text, tuple(tables))
