from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.expected_cost import CostMatrix, load_costs
from pathoai.models.referral import (
    REFERRED,
    ReferralRule,
    calibrate_referral,
    check_referral,
    patients_needed,
)

COSTS = load_costs("tissuenet")
Drawn = tuple[NDArray[np.float64], NDArray[np.int64], list[str]]


def drawn_slides(count: int, seed: int, *, per_patient: int = 1, sharpness: float = 1.5) -> Drawn:
    """Slides of graded patients: probabilities of a noisy reader, true grades, patients."""
    draw = np.random.default_rng(seed)
    patient = np.arange(count) // per_patient
    truth = draw.integers(0, 4, patient.max() + 1)[patient]
    seen = truth + draw.normal(0, 0.9, count)
    logits = -sharpness * (seen[:, None] - np.arange(4)) ** 2
    rows = np.exp(logits - logits.max(axis=1, keepdims=True))
    return rows / rows.sum(axis=1, keepdims=True), truth, [f"p{p}" for p in patient]


def missed_by_patient(rule: ReferralRule, drawn: Drawn) -> NDArray[np.bool_]:
    """By the definition: one entry per patient with a high-grade slide."""
    rows, truth, patients = drawn
    decided = rule.decide(rows)
    found: dict[str, bool] = {}
    for grade, decision, patient in zip(truth, decided, patients, strict=True):
        if grade >= 2:
            found[patient] = found.get(patient, False) or decision in (0, 1)
    return np.array(list(found.values()))


@pytest.mark.parametrize("accepted", [0.02, 0.1])
@pytest.mark.parametrize("per_patient", [1, 3])
def test_the_promise_holds_on_average_over_calibrations(accepted: float, per_patient: int) -> None:
    """And is not kept by referring all: what is graded is bounded below."""
    rates, graded = [], []
    for seed in range(200):
        calibration = drawn_slides(300 * per_patient, seed, per_patient=per_patient)
        rule = calibrate_referral(*calibration, costs=COSTS, accepted_miss_rate=accepted)
        held_out = drawn_slides(600, 10_000 + seed, per_patient=per_patient)
        rates.append(missed_by_patient(rule, held_out).mean())
        graded.append((rule.decide(held_out[0]) != REFERRED).mean())
    error = np.std(rates) / math.sqrt(len(rates))
    assert np.mean(rates) <= accepted + 3 * error
    # The finite-sample correction costs at most 2/(n + 1), n about 150: the rule is no stricter.
    assert np.mean(rates) >= accepted - 2 / 120 - 3 * error
    assert np.mean(graded) > 0.5


@pytest.mark.parametrize("seed", range(10))
def test_no_larger_threshold_would_do(seed: int) -> None:
    """Brute force over every threshold that makes a difference."""
    accepted = 0.06
    drawn = drawn_slides(160, seed, per_patient=2)
    rule = calibrate_referral(*drawn, costs=COSTS, accepted_miss_rate=accepted)

    def holds(threshold: float) -> bool:
        candidate = ReferralRule(COSTS, accepted, threshold, 0)
        missed = missed_by_patient(candidate, drawn)
        return bool((missed.sum() + 1) / (len(missed) + 1) <= accepted + 1e-12)

    assert rule.threshold is not None
    steps = np.unique(rule.high_grade_probability(drawn[0]))
    assert holds(rule.threshold)
    assert not any(holds(float(np.nextafter(t, 3))) for t in steps if t >= rule.threshold)


@pytest.mark.parametrize(
    ("accepted", "needed"), [(0.02, 49), (0.01, 99), (0.05, 19), (0.5, 1), (0.9, 1), (0.03, 33)]
)
def test_the_fewest_patients_that_can_promise(accepted: float, needed: int) -> None:
    def rule_of(count: int) -> ReferralRule:
        rows = np.tile([0.0, 0.0, 0.0, 1.0], (count, 1))
        patients = [f"p{i}" for i in range(count)]
        return calibrate_referral(
            rows, np.full(count, 3), patients, costs=COSTS, accepted_miss_rate=accepted
        )

    assert patients_needed(accepted) == needed
    assert rule_of(needed).threshold is not None
    too_few = rule_of(needed - 1)
    assert too_few.threshold is None
    assert str(needed) in too_few.statement
    assert (too_few.decide(np.eye(4)) == REFERRED).all()


def test_a_model_that_misses_nothing_refers_nothing() -> None:
    truth = np.arange(400) % 4
    rows = np.eye(4)[truth]
    patients = [f"p{i}" for i in range(400)]
    rule = calibrate_referral(rows, truth, patients, costs=COSTS, accepted_miss_rate=0.02)
    assert (rule.decide(rows) == truth).all()
    check = check_referral(rule, rows, truth, patients)
    assert (check.graded.value, check.missed.value, check.wrong.value) == (1, 0, 0)
    assert not check.contradicts(0.02)


def test_a_model_that_knows_nothing_grades_few_as_harmless() -> None:
    draw = np.random.default_rng(0)
    rows = draw.dirichlet([3, 3, 1, 0.2], 2000)
    truth = draw.integers(0, 4, 2000)
    patients = [f"p{i}" for i in range(2000)]
    rule = calibrate_referral(rows, truth, patients, costs=COSTS, accepted_miss_rate=0.02)
    harmless = np.isin(rule.decide(rows), (0, 1))
    assert harmless.mean() < 0.05


def test_the_check_by_its_definition() -> None:
    drawn = drawn_slides(500, 1, per_patient=2)
    rule = calibrate_referral(*drawn_slides(500, 2), costs=COSTS, accepted_miss_rate=0.1)
    check = check_referral(rule, *drawn)
    missed = missed_by_patient(rule, drawn)
    decided = rule.decide(drawn[0])
    assert (check.missed.count, check.missed.total) == (missed.sum(), len(missed))
    assert check.graded.count == (decided != REFERRED).sum()
    assert check.wrong.count == sum(
        d not in (REFERRED, t) for d, t in zip(decided, drawn[1], strict=True)
    )


def test_a_shifted_population_is_seen_to_break_the_promise() -> None:
    rule = calibrate_referral(*drawn_slides(800, 3), costs=COSTS, accepted_miss_rate=0.02)
    rows, truth, patients = drawn_slides(800, 4)
    # Another scanner makes every lesion look a grade milder.
    milder = np.stack([rows[:, 0] + rows[:, 1], rows[:, 2], rows[:, 3], 0 * rows[:, 0]], axis=1)
    assert check_referral(rule, milder, truth, patients).contradicts(0.02)


def test_to_a_bundle_and_back() -> None:
    for accepted in (0.02, 0.001):
        rule = calibrate_referral(*drawn_slides(400, 5), costs=COSTS, accepted_miss_rate=accepted)
        assert ReferralRule.from_dict(rule.to_dict()) == rule


@pytest.mark.parametrize("accepted", [0.0, 1.0, -0.1, float("nan")])
def test_rates_that_promise_nothing_are_refused(accepted: float) -> None:
    with pytest.raises(InvalidValueError, match="accepted miss rate"):
        calibrate_referral(*drawn_slides(40, 0), costs=COSTS, accepted_miss_rate=accepted)


def test_costs_without_a_high_grade_are_refused() -> None:
    plain: dict[str, Any] = COSTS.to_dict() | {"high_grade": ""}
    with pytest.raises(InvalidValueError, match="must not be missed"):
        ReferralRule(CostMatrix.from_dict(plain), 0.02, None, 0)


@pytest.mark.parametrize("truth", [np.zeros(3, int), np.full(40, 4), np.zeros(40)])
def test_truth_that_does_not_fit_is_refused(truth: NDArray[Any]) -> None:
    rows, _, patients = drawn_slides(40, 0)
    with pytest.raises(InvalidValueError, match="true class"):
        calibrate_referral(rows, truth, patients, costs=COSTS, accepted_miss_rate=0.02)
