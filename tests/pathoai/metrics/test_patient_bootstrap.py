from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from pathoai.errors import InvalidValueError
from pathoai.metrics.agreement import accuracy
from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.metrics.ranking import auc


def slides(seed: int, patients: int = 40) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    """Three slides per patient that resemble each other: codes, scores, truth."""
    draw = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), 3)
    positive = (draw.random(patients) < 0.5)[patient]
    scores = positive + draw.normal(0, 1, patients)[patient] + draw.normal(0, 0.3, len(patient))
    return [f"p{p}" for p in patient], scores, positive


def test_three_ways_to_the_same_interval() -> None:
    patients, scores, positive = slides(0)
    found = PatientBootstrap(patients, resamples=200, seed=1)
    said = (scores > 0.5).astype(int)
    items = confusion_by_item(positive.astype(int), said, classes=2)
    right = said == positive
    ways = [
        found.of_sums(items, accuracy),
        found.of_weights(lambda w: (w @ right) / w.sum(-1)),
        found.of_indices(lambda index: float(right[index].mean())),
    ]
    for one in ways[1:]:
        assert one.estimate == pytest.approx(ways[0].estimate)
        assert (one.low, one.high) == pytest.approx((ways[0].low, ways[0].high))


def test_weights_and_indices_agree_on_the_area_under_the_curve() -> None:
    patients, scores, positive = slides(1)
    found = PatientBootstrap(patients, resamples=50)
    weighted = found.of_weights(lambda w: auc(scores, positive, w))
    listed = found.of_indices(lambda i: float(auc(scores[i], positive[i])))
    assert (weighted.low, weighted.high) == pytest.approx((listed.low, listed.high))


def test_by_resampling_patients_one_at_a_time() -> None:
    """The plain loop, whose draws differ: limits agree within the noise of resampling."""
    patients, scores, _ = slides(2)
    found = PatientBootstrap(patients, resamples=4000).of_weights(
        lambda w: (w @ scores) / w.sum(-1)
    )
    by_patient: dict[str, list[float]] = {}
    for patient, score in zip(patients, scores, strict=True):
        by_patient.setdefault(patient, []).append(score)
    groups = list(by_patient.values())
    draw = np.random.default_rng(5)
    means = []
    for _ in range(4000):
        drawn = [v for k in draw.integers(0, len(groups), len(groups)) for v in groups[k]]
        means.append(np.mean(drawn))
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)


def test_one_slide_per_patient_is_the_ordinary_bootstrap() -> None:
    values = np.random.default_rng(3).normal(size=60)
    codes = [f"p{i}" for i in range(60)]
    found = PatientBootstrap(codes, resamples=4000).of_weights(lambda w: (w @ values) / w.sum(-1))
    wanted = bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.02)


def test_intervals_cover_and_those_over_slides_do_not() -> None:
    """Mean score of patients around 0: 95 % of intervals should hold it."""
    covered = {"patients": 0, "slides": 0}
    trials = 120
    for seed in range(trials):
        patients, scores, positive = slides(100 + seed)
        centred = scores - positive
        for name, codes in (("patients", patients), ("slides", [str(i) for i in range(120)])):
            found = PatientBootstrap(codes, resamples=300, seed=seed).of_weights(
                lambda w, v=centred: (w @ v) / w.sum(-1)  # type: ignore[misc]
            )
            covered[name] += bool(found.low <= 0 <= found.high)
    assert covered["patients"] / trials > 0.88
    assert covered["slides"] / trials < 0.85


def test_a_class_that_is_absent_from_some_resamples() -> None:
    patients = [f"p{i}" for i in range(6)]
    items = confusion_by_item([0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1], classes=2)

    def recall_of_one(sums: NDArray[Any]) -> NDArray[Any]:
        from pathoai.metrics.agreement import recall

        return recall(sums)

    found = PatientBootstrap(patients).of_sums(items, recall_of_one)
    assert found.estimate == pytest.approx([0.8, 1.0])
    assert found.defined[0] == pytest.approx(1, abs=0.01)
    assert found.defined[1] == pytest.approx(1 - (5 / 6) ** 6, abs=0.03)
    assert (found.low[1], found.high[1]) == (1, 1)


def test_one_patient_has_no_interval() -> None:
    found = PatientBootstrap(["p", "p"]).of_sums(
        confusion_by_item([0, 1], [0, 0], classes=2), accuracy
    )
    assert found.estimate == 0.5
    assert np.isnan([found.low, found.high]).all()


def test_the_same_seed_the_same_interval_and_many_items_in_blocks() -> None:
    patients = [f"p{i % 50}" for i in range(6000)]  # weights of 2000 resamples: three blocks
    values = np.random.default_rng(0).normal(size=6000)

    def mean(weights: NDArray[Any]) -> NDArray[Any]:
        return np.asarray((weights @ values) / weights.sum(-1))

    one, other = (PatientBootstrap(patients, seed=3).of_weights(mean) for _ in range(2))
    assert (one.low, one.high) == (other.low, other.high)
    sums = PatientBootstrap(patients, seed=3).of_sums(
        np.stack([values, np.ones(6000)], 1), lambda s: s[:, 0] / s[:, 1]
    )
    assert (one.low, one.high) == pytest.approx((sums.low, sums.high))


def test_no_patients_no_bootstrap() -> None:
    with pytest.raises(InvalidValueError, match="needs patients"):
        PatientBootstrap([])
