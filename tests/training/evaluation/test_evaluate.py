from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pathoai.cli.main import main
from pathoai.errors import LeakError
from pathoai.metrics.overlap import dice
from pathoai.models.bundle import load_bundle, load_network, save_bundle
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_training.data.tiles_dataset import TileColumns
from pathoai_training.evaluation.evaluate import evaluate
from pathoai_training.evaluation.worst_tiles import outlined_png, worst_tiles
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.report.build_report import Report
from pathoai_training.report.predictions import InstanceCounts, SegmentationCounts
from pathoai_training.splits.openings import openings
from pathoai_training.train import train

pytestmark = pytest.mark.long

StudyMaker = Callable[..., Study]
TISSUE, NUCLEI = "breast-tissue-segmentation", "breast-nuclei-segmentation"

_SHORT = ["trainer={max_steps: 4, steps_per_epoch: 4}", "data.train_stride_px=64"]


def patient(number: int) -> str:
    return f"P{number:015d}"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study lies once it was trained; training is what takes long."""
    return tmp_path_factory.mktemp("trained") / "study"


@pytest.fixture
def trained(make_study: StudyMaker, small: list[str], kept: Path, tmp_path: Path) -> Study:
    """Five patients with a slide each, and small models ``one``, ``two`` and ``nuclei``."""
    if not kept.exists():
        study = make_study(*(patient(i) for i in range(5)), name="fresh")
        for name, recipe in (("one", TISSUE), ("nuclei", NUCLEI)):
            train(study, read_recipe(recipe, [*small, *_SHORT]), name=name, device="cpu")
        _keep_another(study, "one", "two")
        shutil.copytree(study.path, kept)
    shutil.copytree(kept, tmp_path / "study")
    return Study(tmp_path / "study")


def _keep_another(study: Study, name: str, other: str) -> None:
    """A model with the training of one, and slightly other weights."""
    folder = study.model_path(name)
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, torch.device("cpu"))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(0.9)
    save_bundle(study.model_path(other), replace(bundle, name=other), network)


def test_a_segmentation_by_counting_every_pixel(trained: Study) -> None:
    report = evaluate(trained, "one", device="cpu")
    bundle = load_bundle(trained.model_path("one"))
    network = load_network(trained.model_path("one"), bundle, torch.device("cpu"))
    recipe = read_recipe(TISSUE, [])
    workshop = build(
        replace(recipe, content=bundle.training["settings"]),
        study=trained.path,
        split="patient",
    )
    workshop.data.setup()
    dataset = workshop.data.dataset("test")  # type: ignore[attr-defined]  # of this task's data
    counts = np.zeros((2, 2), np.int64)
    for image, target in dataset:
        with torch.no_grad():
            said = network(bundle.normalisation(image[None])).argmax(1)[0]
        known = target != 255
        np.add.at(counts, (target[known].numpy(), said[known].numpy()), 1)
    assert isinstance(report.predictions, SegmentationCounts)
    assert np.array_equal(report.predictions.confusion.sum(0), counts)
    assert report.predictions.reliability[..., 0].sum() == counts.sum()
    assert report.context.tiles == len(dataset)
    assert dice(counts)[1] == pytest.approx(_headline(report, "Dice of nucleus"), abs=1e-6)
    test_slides = {
        s for s, subset in workshop.data.split.subset_of_slide().items() if subset == "test"
    }
    assert set(report.predictions.slides.slide_ids) == test_slides


def _headline(report: Report, name: str) -> float:
    rows = {row[0]: row[1] for row in report.sections[1].tables[0].rows}
    return float(rows[name].estimate)  # type: ignore[union-attr]  # a number by its row


def test_the_commands_from_model_to_comparison(
    trained: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        assert main(["evaluate", str(trained.path), "--model", name, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "mean Dice of the classes" in out
    assert "evaluations/one/test/report.html" in out
    assert main(["compare", str(trained.path), "one", "two"]) == 0
    assert "two − one" in capsys.readouterr().out
    folder = trained.evaluation_path("one", "test")
    page = (folder / "report.html").read_text("utf8")
    raw = json.loads((folder / "report.json").read_text("utf8"))
    assert str(trained.path) not in page + json.dumps(raw)
    assert raw["context"]["training_slides"] == 3
    assert len(raw["cases"]) >= 1
    slide_id = raw["cases"][0]["slide_id"]
    r = raw["cases"][0]["region"]
    x, y = r["x"] + r["width"] / 2, r["y"] + r["height"] / 2
    assert f"pathoai review . --slide {slide_id} --at {x:.0f},{y:.0f}" in page
    assert folder in trained.derived_copies(slide_id)
    records = [json.loads(p.read_text()) for p in trained.provenance_path.glob("evaluate-*.json")]
    assert {r["parameters"]["subset"] for r in records} == {"test"}


def test_instances_are_judged_by_objects(trained: Study) -> None:
    report = evaluate(trained, "nuclei", subset="validation", device="cpu")
    assert isinstance(report.predictions, InstanceCounts)
    counts = report.predictions.table.sum(axis=0)
    assert counts[0, 0] + counts[0, 2] > 10
    assert report.context.subset == "validation"
    assert trained.evaluation_path("nuclei", "validation").is_dir()


def test_a_split_that_came_out_another_way_is_refused(trained: Study) -> None:
    rows = [replace(row, patient_id=patient(90 + i)) for i, row in enumerate(trained.cohort)]
    Cohort(rows).write(trained.path / "cohort.csv")
    with pytest.raises(LeakError, match="may have been trained on"):
        evaluate(trained, "one", device="cpu")
    assert not trained.evaluations_path.exists()


def test_mistakes_end_in_one_line(trained: Study, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained.model_path("one")
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, torch.device("cpu"))
    other = replace(bundle, name="other", task="poetry", classes=("a", "b"))
    save_bundle(trained.model_path("other"), other, network)
    for name, message in (("none", "unknown model"), ("../x", "one word"), ("other", "poetry")):
        assert main(["evaluate", str(trained.path), "--model", name]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert message in error


def test_the_worst_tiles_are_not_all_of_one_slide() -> None:
    tiles = TileColumns.joined([np.zeros((20, 2), np.int64), np.zeros((3, 2), np.int64)], 64)
    wrong = np.concatenate([np.arange(20, 0, -1), [5, 4, 0]]).astype(float)
    assert worst_tiles(wrong, tiles) == [0, 1, 2, 20, 21]
    alone = TileColumns.joined([np.zeros((20, 2), np.int64)], 64)
    assert worst_tiles(wrong[:20], alone) == list(range(12))
    assert worst_tiles(np.zeros(20), alone) == []


def test_outlines_are_drawn_where_classes_meet() -> None:
    image = np.full((3, 8, 8), 200, np.uint8)
    truth, said = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    truth[:, 4:] = 1
    said[6:] = 1
    picture = np.asarray(Image.open(io.BytesIO(outlined_png(image, truth, said))))
    assert (picture[0, 3] == (0, 114, 178)).all()
    assert (picture[5, 0] == (213, 94, 0)).all()
    assert (picture[0, 0] == 200).all()


def test_each_look_at_a_locked_test_is_counted(
    make_study: StudyMaker, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(*(patient(i) for i in range(6)), name="split")
    assert main(["split", str(study.path), "--by", "patient"]) == 0
    train(study, read_recipe(TISSUE, [*small, *_SHORT]), name="locked", split="main", device="cpu")
    words = ["evaluate", str(study.path), "--model", "locked", "--device", "cpu"]
    assert main([*words, "--split", "validation"]) == 0
    assert openings(study) == []
    assert main([*words, "--who", "Dr Martin"]) == 1
    assert "never a name" in capsys.readouterr().err
    assert main([*words, "--who", "R1"]) == 0
    assert main([*words, "--who", "R2"]) == 0
    assert [o.opening.who for o in openings(study)] == ["R1", "R2"]
    assert "were kept from training" in capsys.readouterr().out
    page = (study.evaluation_path("locked", "test") / "report.html").read_text("utf8")
    assert "The test was opened 2 times" in page


def test_training_that_measured_its_test_counts_as_a_look(trained: Study) -> None:
    # Two trainings, and this look.
    assert evaluate(trained, "one", device="cpu").context.openings == 3
