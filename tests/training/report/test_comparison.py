from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, ModelError
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.provenance import sha256_of_json
from pathoai.report.section import Measured
from pathoai.study.study import Study
from pathoai_training.report.build_report import build_report, write_report
from pathoai_training.report.comparison import comparison_section
from pathoai_training.report.predictions import Predictions
from pathoai_training.report.read_report import StoredReport, read_report
from tests.training.report import made_predictions as made


def evaluated(study: Study, model: str, predictions: Predictions, *, split: str = "b") -> None:
    context = made.context_of(model, bundle_sha256=sha256_of_json(model), split_sha256=split * 64)
    write_report(build_report(context, predictions), study.evaluation_path(model, "test"))


def stored(model: str, predictions: Predictions, **changes: str) -> StoredReport:
    facts = {"bundle_sha256": model, "split_sha256": "b", "subset": "test"} | changes
    return StoredReport(model=model, predictions=predictions, **facts)


def test_the_paired_difference_by_its_definition() -> None:
    good, bad = made.graded(80, 1), made.graded(80, 1, noise=1.6)
    section = comparison_section([stored("bad", bad), stored("good", good)])
    row = next(r for r in section.tables[0].rows if r[0] == "accuracy")
    right = [(p.decided == p.truth).astype(float) for p in (bad, good)]
    wanted = PatientBootstrap(good.slides.patients).of_indices(
        lambda i: float(right[1][i].mean() - right[0][i].mean())
    )
    difference = row[3]
    assert isinstance(difference, Measured)
    assert difference.estimate == pytest.approx(wanted.estimate)
    assert (difference.low, difference.high) == pytest.approx((wanted.low, wanted.high))
    assert difference.low > 0
    assert str(difference).startswith("+")


def test_a_model_against_its_equal_differs_by_nothing() -> None:
    one = made.outlined(10, 1)
    section = comparison_section([stored("a", one), stored("b", one)])
    for row in section.tables[0].rows:
        difference = row[3]
        assert isinstance(difference, Measured)
        assert (difference.estimate, difference.low, difference.high) == (0, 0, 0)


def test_the_command_compares_three(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    for place, model in enumerate(("first", "second", "third")):
        evaluated(study, model, made.graded(60, 1, noise=0.5 + place / 2))
    assert main(["compare", str(study.path), "first", "second", "third"]) == 0
    out = capsys.readouterr().out
    assert "third − first" in out
    assert "quadratic weighted kappa" in out
    page = study.path / "evaluations" / "test-first-vs-second-vs-third.html"
    assert "second − first" in page.read_text("utf8")


def test_reading_back_gives_the_same_numbers(study: Study) -> None:
    made_here = made.segmented(9, 1)
    evaluated(study, "model", made_here)
    again = read_report(study.evaluation_path("model", "test"), model="model", subset="test")
    assert again.predictions.slides == made_here.slides
    every = np.ones((1, 9))
    for name, statistic in made_here.headline().items():
        assert again.predictions.headline()[name](every) == pytest.approx(statistic(every))


def test_unlike_reports_are_refused() -> None:
    one = stored("one", made.graded(20, 1))
    likes = {
        "split": stored("other", made.graded(20, 1), split_sha256="c"),
        "subset": stored("other", made.graded(20, 1), subset="validation"),
        "task": stored("other", made.segmented(20, 1)),
        "numbers": stored("other", replace(made.graded(20, 1), costs=None)),
        "slides": stored("other", made.graded(20, 1, first=500)),
        "labels": stored("other", made.graded(20, 7)),
    }
    for what, other in likes.items():
        with pytest.raises(InvalidValueError, match=f"different {what}"):
            comparison_section([one, other])
    with pytest.raises(InvalidValueError, match="different models"):
        comparison_section([one, one])
    with pytest.raises(InvalidValueError, match="different models"):
        comparison_section([one])


def test_what_cannot_be_read_is_one_clear_line(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(study, "a", made.outlined(6, 1))
    evaluated(study, "b", made.outlined(6, 2), split="c")
    for words, message in (
        (["a", "unknown"], "has not been evaluated"),
        (["a", "b"], "different split"),
        (["a", "../b"], "one word"),
        (["a"], "two or more"),
    ):
        assert main(["compare", str(study.path), *words]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("change", [{"schema": 99}, {"predictions": {}}, {"context": 3}])
def test_altered_reports_are_refused(study: Study, change: dict[str, object]) -> None:
    evaluated(study, "a", made.outlined(6, 1))
    folder = study.evaluation_path("a", "test")
    path = folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf8")) | change))
    with pytest.raises(ModelError):
        read_report(folder, model="a", subset="test")
    path.write_text("{")
    with pytest.raises(ModelError, match="malformed"):
        read_report(folder, model="a", subset="test")


def test_an_erasure_reaches_reports_that_show_the_slide(study: Study, tmp_path: Path) -> None:
    evaluated(study, "a", made.outlined(6, 1))
    folder = study.evaluation_path("a", "test")
    assert folder in study.derived_copies(made.coded("slide", 3))
    assert folder not in study.derived_copies(made.coded("slide", 999))
