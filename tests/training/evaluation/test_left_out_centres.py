"""Leave one centre out: each centre by the model that saw none of it, and all of them together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, ModelError
from pathoai.metrics.agreement import balanced_accuracy
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_training.evaluation.evaluate import evaluate
from pathoai_training.evaluation.left_out_centres import evaluate_left_out_centres
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.report.context import LEFT_OUT_CENTRES
from pathoai_training.report.predictions import SlidePredictions
from pathoai_training.report.read_report import read_report
from pathoai_training.splits.openings import openings
from pathoai_training.splits.written_split import read_split
from pathoai_training.train import train

NAME = "breast-cell-classification"
PATIENTS = tuple(f"P{i:015d}" for i in range(6))
CENTRES = tuple(f"C{i // 2:015d}" for i in range(6))
StudyMaker = Callable[..., Study]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study lies once its models were trained."""
    return tmp_path_factory.mktemp("centres") / "study"


@pytest.fixture
def study(make_cells: StudyMaker, small_cells: list[str], kept: Path, tmp_path: Path) -> Study:
    """Three centres of two patients each, and a model for each that did not see it."""
    if not kept.exists():
        made = make_cells(*PATIENTS, name="fresh")
        rows = [replace(r, centre_id=c) for r, c in zip(made.cohort, CENTRES, strict=True)]
        Cohort(rows).write(made.path / "cohort.csv")
        words = ["split", str(made.path), "--by", "patient", "--name", "centres"]
        assert main([*words, "--leave-one-centre-out"]) == 0
        for fold in (1, 2, 3):
            trained(made, small_cells, fold)
        shutil.copytree(made.path, kept)
    return Study(Path(shutil.copytree(kept, tmp_path / "study")))


def trained(study: Study, small_cells: list[str], fold: int, *more: str) -> None:
    settings = [*small_cells, "trainer={max_steps: 8, steps_per_epoch: 8}", *more]
    recipe = read_recipe(NAME, settings)
    train(study, recipe, name=f"{NAME}-fold-{fold}", split=f"centres/{fold}", device="cpu")


def left_out_rows(study: Study) -> list[list[Any]]:
    folder = study.evaluation_path(NAME, LEFT_OUT_CENTRES)
    raw = json.loads((folder / "report.json").read_text("utf8"))
    (section,) = [one for one in raw["sections"] if one["key"] == "left_out"]
    rows: list[list[Any]] = section["tables"][0]["rows"]
    return rows


def test_each_centre_has_its_row_and_the_last_pools_them(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(study.path), "--model", NAME, "--device", "cpu"]
    assert main([*words, "--left-out-centres"]) == 0
    out = capsys.readouterr().out
    assert "all centres, pooled" in out
    assert f"evaluations/{NAME}/left-out-centres/report.html" in out
    rows = left_out_rows(study)
    names = read_split(study, "centres").fold_names
    assert [row[0] for row in rows] == [*names, "all centres, pooled"]
    assert set(names) == set(CENTRES)
    # What each model says of its centre, by itself; and of all items together.
    alone = [evaluate(study, f"{NAME}-fold-{fold}", device="cpu") for fold in (1, 2, 3)]
    counts = []
    for report, row in zip(alone, rows, strict=False):
        assert isinstance(report.predictions, SlidePredictions)
        assert set(report.predictions.slides.centre_ids) == {row[0]}
        confusion = report.predictions.confusion.sum(0)
        assert row[1:3] == [2, 2]
        assert row[3]["estimate"] == pytest.approx(balanced_accuracy(confusion), abs=1e-6)
        assert row[3]["low"] <= row[3]["estimate"] <= row[3]["high"]
        counts.append(confusion)
    pooled = np.sum(counts, axis=0)
    assert rows[3][1:3] == [6, 6]
    assert rows[3][3]["estimate"] == pytest.approx(balanced_accuracy(pooled), abs=1e-6)
    stored = read_report(
        study.evaluation_path(NAME, LEFT_OUT_CENTRES), model=NAME, subset=LEFT_OUT_CENTRES
    )
    assert set(stored.predictions.slides.slide_ids) == {row.slide_id for row in study.cohort}
    assert len(stored.predictions.slides) == 150
    assert [entry.opening.fold for entry in openings(study)] == [1, 2, 3, 1, 2, 3]
    records = [json.loads(p.read_text()) for p in study.provenance_path.glob("evaluate-*.json")]
    (whole,) = [r for r in records if r["parameters"]["subset"] == LEFT_OUT_CENTRES]
    assert len(whole["inputs"]) == 4
    with pytest.raises(ModelError, match="--model other --left-out-centres"):
        read_report(study.path / "none", model="other", subset=LEFT_OUT_CENTRES)


def test_no_test_is_opened_unless_all_models_are_there_and_alike(
    study: Study, small_cells: list[str]
) -> None:
    shutil.move(study.model_path(f"{NAME}-fold-2"), study.path / "aside")
    with pytest.raises(ModelError, match=rf"missing.*no {NAME}-fold-2.*--split centres --fold K"):
        evaluate_left_out_centres(study, NAME)
    shutil.copytree(study.model_path(f"{NAME}-fold-1"), study.model_path(f"{NAME}-fold-2"))
    with pytest.raises(ModelError, match=r"differ in their fold.*found 1; allowed: 2"):
        evaluate_left_out_centres(study, NAME)
    trained(study, small_cells, 2, "model.learning_rate=0.02")
    with pytest.raises(ModelError, match="differ in their settings"):
        evaluate_left_out_centres(study, NAME)
    assert openings(study) == []


def test_models_of_another_split_are_refused(study: Study, small_cells: list[str]) -> None:
    settings = [*small_cells, "trainer={max_steps: 1, steps_per_epoch: 1}"]
    train(study, read_recipe(NAME, settings), name="quick-fold-1", device="cpu")
    with pytest.raises(InvalidValueError, match=r"no centre left out.*found patient"):
        evaluate_left_out_centres(study, "quick")
    with pytest.raises(ModelError, match="unknown model"):
        evaluate_left_out_centres(study, "none")
    words = ["evaluate", str(study.path), "--model", NAME, "--left-out-centres"]
    assert main([*words, "--split", "validation"]) == 1
