from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pathoai.errors import InvalidValueError, PathoaiError, StudyError
from pathoai.metrics.overlap import dice
from pathoai.metrics.ranking import auc
from pathoai_training.report.evaluated_slides import EvaluatedSlides
from pathoai_training.report.predictions import (
    InstanceCounts,
    Predictions,
    SegmentationCounts,
    SlidePredictions,
)
from tests.training.report import made_predictions as made

MADE: list[Predictions] = [made.graded(24, 1), made.segmented(8, 1), made.outlined(8, 1)]
KINDS = pytest.mark.parametrize("predictions", MADE, ids=lambda p: p.kind)


def headline(predictions: Predictions) -> dict[str, float]:
    every = np.ones((1, len(predictions.slides)))
    return {name: float(f(every)[0]) for name, f in predictions.headline().items()}


@KINDS
def test_to_json_and_back(predictions: Predictions) -> None:
    text = json.dumps(predictions.to_dict(), allow_nan=False)
    again = type(predictions).from_dict(predictions.slides, predictions.classes, json.loads(text))
    assert headline(again) == pytest.approx(headline(predictions), abs=1e-4)


@KINDS
def test_a_weight_of_two_is_an_item_twice(predictions: Predictions) -> None:
    weights = np.random.default_rng(0).integers(0, 3, len(predictions.slides))
    repeated = predictions.chosen(np.repeat(np.arange(len(weights)), weights))
    for name, statistic in predictions.headline().items():
        assert statistic(weights[None].astype(float))[0] == pytest.approx(
            headline(repeated)[name], nan_ok=True
        )


def test_the_headline_is_what_the_metrics_say() -> None:
    graded, segmented, outlined = made.graded(24, 1), made.segmented(8, 1), made.outlined(8, 1)
    found = headline(graded)
    assert found["accuracy"] == pytest.approx(np.mean(graded.decided == graded.truth))
    wanted = auc(graded.probabilities[:, 2:].sum(1), graded.truth >= 2)
    assert found["AUC of high_grade or worse"] == pytest.approx(wanted)
    pooled = dice(segmented.confusion.sum(0))
    assert headline(segmented)["Dice of stroma"] == pytest.approx(pooled[2])
    assert headline(segmented)["mean Dice of the classes"] == pytest.approx(pooled[1:].mean())
    objects = outlined.objects
    f1 = (
        2
        * objects.matched.sum(0)
        / (2 * objects.matched.sum(0) + objects.missed.sum(0) + objects.spurious.sum(0))
    )
    assert headline(outlined)["F1 of lymphocyte"] == pytest.approx(f1[2])


def test_without_costs_the_most_probable_class_is_decided() -> None:
    plain = replace(made.graded(24, 1), costs=None, ordinal=False)
    assert np.array_equal(plain.decided, plain.probabilities.argmax(1))
    assert plain.first_high is None
    assert not any("costs" in name or "kappa" in name for name in plain.headline())


def test_probabilities_of_what_is_true_are_compared_as_those_of_what_is_read() -> None:
    """By the definition; certain of the truth, one in five is read as a neighbour."""
    certain = replace(made.graded(4, 1), probabilities=np.eye(4), truth=np.arange(4))
    assert certain.of_readings is certain.probabilities
    told = replace(certain, reader_noise=0.2)
    expected = [[0.8, 0.2, 0, 0], [0.1, 0.8, 0.1, 0], [0, 0.1, 0.8, 0.1], [0, 0, 0.2, 0.8]]
    np.testing.assert_allclose(told.of_readings, expected, atol=1e-12)
    assert np.array_equal(told.decided, certain.decided)
    again = SlidePredictions.from_dict(told.slides, told.classes, told.to_dict())
    assert again.reader_noise == 0.2


def test_slides_without_a_patient_count_as_patients() -> None:
    slides = made.slides(4)
    unknown = replace(slides, patient_ids=("", "", *slides.patient_ids[2:]))
    assert len(set(unknown.patients)) == 3
    assert unknown.without_patient == 2
    assert set(slides.groupings()) == {"centre", "scanner", "stain batch"}
    assert not EvaluatedSlides(slides.slide_ids, slides.patient_ids).groupings()


@pytest.mark.parametrize(
    "change",
    [
        {"slide_ids": ("DUPONT_Jeanne",)},
        {"patient_ids": ("DUPONT",)},
        {"centre_ids": ("Institut",)},
        {"slide_ids": ("",)},
        {"patient_ids": ()},
        {"scanners": ("a", "b")},
    ],
)
def test_names_and_torn_columns_are_refused(change: dict[str, Any]) -> None:
    sound = {"slide_ids": (made.coded("slide", 1),), "patient_ids": (made.coded("patient", 1),)}
    if change == {"patient_ids": ()}:
        assert EvaluatedSlides(**sound | change).patients == (f"slide {made.coded('slide', 1)}",)
        return
    with pytest.raises(StudyError):
        EvaluatedSlides(**sound | change)


def test_arrays_that_do_not_fit_are_refused() -> None:
    graded, segmented, outlined = made.graded(6, 1), made.segmented(6, 1), made.outlined(6, 1)
    with pytest.raises(InvalidValueError):
        replace(graded, slides=made.slides(5))
    with pytest.raises(InvalidValueError, match="true class"):
        replace(graded, truth=np.full(6, 4))
    with pytest.raises(InvalidValueError, match="probabilities"):
        replace(graded, classes=("a", "b"), costs=None)
    with pytest.raises(InvalidValueError, match="confusion"):
        replace(segmented, classes=("background", "tumour"))
    with pytest.raises(InvalidValueError, match="reliability"):
        replace(segmented, reliability=np.zeros((6, 3)))
    with pytest.raises(InvalidValueError, match="object counts"):
        replace(outlined, classes=("neoplastic",))


@pytest.mark.parametrize("kind", [SlidePredictions, SegmentationCounts, InstanceCounts])
def test_every_error_is_one_a_user_can_act_on(kind: type[Predictions]) -> None:
    with pytest.raises((PathoaiError, KeyError)):
        kind.from_dict(made.slides(2), ("a", "b"), {})
