from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    precision_score,
    recall_score,
)
from statsmodels.stats.inter_rater import cohens_kappa

from pathoai.errors import InvalidValueError
from pathoai.metrics.agreement import (
    accuracy,
    balanced_accuracy,
    kappa,
    precision,
    recall,
)
from pathoai.metrics.confusion import confusion_by_item, quotient


@pytest.fixture(params=range(4))
def graded(request: pytest.FixtureRequest) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    draw = np.random.default_rng(request.param)
    truth = draw.integers(0, 4, 80)
    return truth, np.clip(truth + draw.integers(-1, 2, 80), 0, 3)


def test_against_scikit_learn(graded: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    truth, said = graded
    counts = confusion_by_item(truth, said, classes=4).sum(0)
    assert np.array_equal(counts, confusion_matrix(truth, said, labels=range(4)))
    assert accuracy(counts) == pytest.approx(accuracy_score(truth, said))
    assert balanced_accuracy(counts) == pytest.approx(balanced_accuracy_score(truth, said))
    assert recall(counts) == pytest.approx(recall_score(truth, said, average=None))
    assert precision(counts) == pytest.approx(precision_score(truth, said, average=None))
    assert kappa(counts) == pytest.approx(cohen_kappa_score(truth, said))
    quadratic = cohen_kappa_score(truth, said, weights="quadratic")
    assert kappa(counts, weights="quadratic") == pytest.approx(quadratic)
    linear = cohen_kappa_score(truth, said, weights="linear")
    assert kappa(counts, weights="linear") == pytest.approx(linear)


def test_kappa_against_statsmodels(graded: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    counts = confusion_by_item(*graded, classes=4).sum(0)
    assert kappa(counts) == pytest.approx(cohens_kappa(counts).kappa)
    weighted = cohens_kappa(counts, wt="quadratic").kappa
    assert kappa(counts, weights="quadratic") == pytest.approx(weighted)


def test_by_the_definition() -> None:
    counts = np.array([[3, 1], [2, 4]])
    assert accuracy(counts) == pytest.approx(0.7)
    # Chance: (4·5 + 6·5) / 100 = 0.5.
    assert kappa(counts) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_what_is_absent_is_unknown_not_zero() -> None:
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 2]])
    assert np.isnan(recall(counts)[1])
    assert balanced_accuracy(counts) == pytest.approx((0.75 + 1) / 2)
    assert np.isnan(kappa(np.array([[5, 0], [0, 0]])))
    assert np.isnan(accuracy(np.zeros((2, 2))))


def test_a_constant_decision_agrees_with_nothing() -> None:
    assert kappa(np.array([[0, 5, 0], [0, 9, 0], [0, 3, 0]]), weights="quadratic") == pytest.approx(
        0
    )


def test_many_resamples_at_once() -> None:
    counts = np.random.default_rng(1).integers(1, 9, (5, 3, 3))
    for metric in (accuracy, balanced_accuracy, recall, precision, kappa):
        assert metric(counts) == pytest.approx(np.stack([metric(c) for c in counts]))


def test_classes_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="out of range"):
        confusion_by_item([0, 1], [0, 2], classes=2)
    with pytest.raises(InvalidValueError, match="true classes"):
        confusion_by_item([0, 1], [0], classes=2)


def test_nothing_over_nothing() -> None:
    assert np.isnan(quotient(0, 0))
    assert quotient([1, 2], [2, 0]) == pytest.approx([0.5, np.nan], nan_ok=True)
