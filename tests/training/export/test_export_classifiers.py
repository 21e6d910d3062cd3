"""Models of regions and of slides leave as ONNX, verified on held-out ones of the study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pathoai.cli.main import main
from pathoai.errors import ModelError
from pathoai.inference.grade_slide import SlideGrader
from pathoai.models.bundle import load_bundle, load_network, save_bundle
from pathoai.models.onnx_model import load_onnx_model
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_training.data.region_data import RegionData
from pathoai_training.export.export_model import export_model
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.tasks.region_classification import RegionClassification
from pathoai_training.train import train
from pathoai_training.trained_workshop import trained_workshop
from tests.training.graded_study import GRADES, graded_study, small_recipe

CELLS, GRADING = "breast-cell-classification", "cervix-grading"
PATIENTS = tuple(f"P{i:015d}" for i in range(4))
StudyMaker = Callable[..., Study]
Capture = pytest.CaptureFixture[str]


def test_classes_of_regions_leave_in_both_precisions(
    make_cells: StudyMaker, small_cells: list[str], tmp_path: Path, capsys: Capture
) -> None:
    study, out = make_cells(*PATIENTS), tmp_path / "out"
    bundle = train(study, read_recipe(CELLS, small_cells), device="cpu")
    words = ["model", "export", str(study.path), str(out), "--model", CELLS, "--to", "onnx"]
    assert main([*words, "--int8"]) == 0
    assert "On 25 held-out regions" in capsys.readouterr().out
    record = json.loads((out / "export.json").read_text("utf8"))
    assert record["input"].startswith("views (batch, 2, 3, 24, 24) uint8")
    for precision, limit in (("float32", 1e-3), ("int8", 1.0)):
        name = {"float32": "model.onnx", "int8": "model.int8.onnx"}[precision]
        found = record["files"][name]["verified_on_validation"]
        assert (found["unit"], found["items"], found["decisions"]) == ("regions", 25, 25)
        assert found["largest_difference"] <= limit
        assert found["agreement"] >= 0.99
        assert set(found["quality_torch"]) == {"balanced_accuracy"}
    assert record["files"]["model.int8.onnx"]["quantisation"]["training_regions"] == 50
    assert main(["model", "verify", str(out)]) == 0
    assert "gives (1, 2)" in capsys.readouterr().out
    # The file says of held-out regions what the task itself says of them.
    workshop = trained_workshop(study, bundle, torch.device("cpu"))
    model, data = workshop.model, workshop.data
    assert isinstance(model, RegionClassification)
    assert isinstance(data, RegionData)
    examined = model.examine(data, "validation")
    views = np.stack([v.numpy() for v, _ in data.dataset("validation").__getitems__(range(25))])
    (said,) = load_onnx_model(out, threads=1).run(views)
    expected = bundle.calibration.probabilities(examined.logits).numpy()
    np.testing.assert_allclose(said, expected, atol=1e-4)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = graded_study(tmp_path_factory.mktemp("graded") / "study", GRADES * 6)
    torch.set_num_threads(1)
    settings = small_recipe("trainer={max_steps: 60, steps_per_epoch: 30}")
    train(study, read_recipe(GRADING, settings), device="cpu")
    return study.path


@pytest.fixture
def graded_copy(graded: Path, tmp_path: Path) -> Study:
    return Study(Path(shutil.copytree(graded, tmp_path / "study")))


def test_grades_of_slides_leave_in_both_precisions(
    graded_copy: Study, tmp_path: Path, capsys: Capture
) -> None:
    study, out = graded_copy, tmp_path / "out"
    record = export_model(study, GRADING, out, int8=True)
    for about in record["files"].values():
        found = about["verified_on_validation"]
        assert found["unit"] == "slides"
        assert found["items"] == found["decisions"] >= 4
        assert found["agreement"] == 1
    assert record["files"]["model.int8.onnx"]["quantisation"]["training_slides"] >= 12
    assert main(["model", "verify", str(out)]) == 0
    assert "gives (1, 4), (1, 16)" in capsys.readouterr().out
    folder, cpu = study.model_path(GRADING), torch.device("cpu")
    bundle = load_bundle(folder)
    grader = SlideGrader(bundle, load_network(folder, bundle, cpu), study.ontology, cpu)
    store = SlideStore(study.store_path(next(iter(study.cohort)).slide_id))
    grade, weights = grader.grade(store)
    features = grader.features(store).read()[None]
    model = load_onnx_model(out, threads=1)
    probabilities, attention = model.run(features, np.ones(features.shape[:2], bool))
    np.testing.assert_allclose(probabilities[0], grade.probabilities, atol=1e-4)
    np.testing.assert_allclose(attention[0], weights, atol=1e-4)
    assert json.loads(model.about["encoder"])["key"] == "tiny"
    assert set(json.loads(model.about["decision"])) == {"referral", "sets", "familiarity"}


def test_eight_bits_that_name_another_grade_are_refused(graded_copy: Study, tmp_path: Path) -> None:
    study = graded_copy
    folder = study.model_path(GRADING)
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, torch.device("cpu"))
    with torch.no_grad():
        # One entry a million times the others takes all steps of the 8-bit range; the head makes
        # up for it, so that torch says what it said.
        state = network.state_dict()
        state["project.2.weight"][0] *= 1e6
        state["project.2.bias"][0] *= 1e6
        state["head.weight"][:, 0] /= 1e6
        for gate in ("content", "gate"):
            state[f"{gate}.weight"][:, 0] /= 1e6
    save_bundle(folder, replace(bundle), network)
    with pytest.raises(ModelError, match=r"same class in \d.* of slides.*held-out slides"):
        export_model(study, GRADING, tmp_path / "out", int8=True)
    assert not (tmp_path / "out").exists()
