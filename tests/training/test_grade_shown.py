"""Where a model that grades slides looked: map, report and sheet, through the commands."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pathoai import __version__
from pathoai.cli.main import main
from pathoai.inference.grade_files import GradeFiles
from pathoai.inference.grade_slide import SlideGrader
from pathoai.inference.report_file import read_report
from pathoai.inference.slide_grade import SlideGrade
from pathoai.models.bundle import load_bundle, load_network
from pathoai.provenance import result_software
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.train import train
from tests.training.graded_study import (
    GRADES,
    graded_study,
    small_recipe,
    write_features,
    write_store,
)

NAME = "cervix-grading"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 32 slides with a model that learnt a little from them."""
    study = graded_study(tmp_path_factory.mktemp("graded") / "study", GRADES * 8)
    torch.set_num_threads(1)
    train(study, read_recipe(NAME, small_recipe()), device="cpu")
    return study.path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    """A copy that may be changed."""
    return Study(Path(shutil.copytree(made, tmp_path / "study")))


def grader_of(study: Study) -> SlideGrader:
    bundle, device = load_bundle(study.model_path(NAME)), torch.device("cpu")
    network = load_network(study.model_path(NAME), bundle, device)
    return SlideGrader(bundle, network, study.ontology, device)


def test_predict_shows_where_it_looked(study: Study) -> None:
    """As a map of the store, as regions in a report, and as a sheet of tiles."""
    slide_id = [row.slide_id for row in study.cohort][3]
    words = ["predict", str(study.path), "--model", NAME, "--workers", "1", "--slides", slide_id]
    assert main(words) == 0
    store, grader = SlideStore(study.store_path(slide_id)), grader_of(study)
    grade, weights = grader.grade(store)
    label = store.label(f"prediction/{NAME}")
    assert label.about["model_sha256"] == grader.bundle.identity
    assert label.about["store_sha256"] == store.identity
    # Tiles of 8 µm lie side by side, so that every pixel of one has its weight.
    shown = np.asarray(label.probability()[0])
    factor = shown.shape[0] // 8
    expected = np.rint(255 * weights.reshape(8, 8) / weights.max()).repeat(factor, 0)
    assert np.abs(shown - expected.repeat(factor, 1)).max() <= 1
    files = GradeFiles.of(study.place(slide_id), NAME)
    report = read_report(files.report)
    assert SlideGrade.from_dict(report["grade"]) == grade
    assert report["software"] == result_software()
    assert {k: report["about"][k] for k in ("model_sha256", "store_sha256")} == {
        "model_sha256": grader.bundle.identity,
        "store_sha256": store.identity,
    }
    heavy = weights >= weights.max() / 2
    assert sum(r["tiles"] for r in report["top_regions"]) == heavy.sum()
    first = report["top_regions"][0]
    assert first["area_mm2"] == pytest.approx(first["tiles"] * 8**2 / 1e6, abs=1e-6)
    with Image.open(files.sheet) as sheet:
        assert sheet.size == (5 * 200 + 8, 5 * 216 + 8)
    with (study.path / "predictions" / f"{NAME}.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["store_sha256"] == store.identity
    assert line["pathoai"] == __version__
    assert line["torch"] == result_software()["torch"]


def test_what_is_lost_is_made_again_alike(study: Study) -> None:
    slide_id = [row.slide_id for row in study.cohort][3]
    words = ["predict", str(study.path), "--model", NAME, "--workers", "1", "--slides", slide_id]
    assert main(words) == 0
    store, files = (
        SlideStore(study.store_path(slide_id)),
        GradeFiles.of(study.place(slide_id), NAME),
    )
    shards = store.label(f"prediction/{NAME}").shards
    before = [path.read_bytes() for path in (files.table, files.report, files.sheet)]
    for lost in (files.report, files.sheet, store.path / "labels" / f"prediction.{NAME}"):
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        assert main(words) == 0
        assert [p.read_bytes() for p in (files.table, files.report, files.sheet)] == before
        assert SlideStore(store.path).label(f"prediction/{NAME}").shards == shards


def test_heatmap_draws_the_attention_without_being_told(study: Study) -> None:
    slide_id = [row.slide_id for row in study.cohort][3]
    assert main(["predict", str(study.path), "--model", NAME, "--slides", slide_id]) == 0
    assert main(["heatmap", str(study.path), slide_id]) == 0
    assert (study.figures_path(slide_id) / f"prediction.{NAME}.png").is_file()
    assert main(["heatmap", str(study.path), slide_id, "--map", f"grade/{NAME}"]) == 0


def test_a_slide_coarser_than_training_is_told(study: Study) -> None:
    """Its features were made of pixels enlarged fourfold."""
    row = next(iter(study.cohort))
    path = study.store_path(row.slide_id)
    shutil.rmtree(path)
    write_store(path, row.slide_id, seed=0, mpp=2.0)
    write_features(path, 0, seed=0)
    grade = grader_of(study).grade(SlideStore(path))[0]
    assert any("coarser than the model was trained at (2 µm vs 0.5 µm" in n for n in grade.notes)
    assert "details are missing" in grade.summary
