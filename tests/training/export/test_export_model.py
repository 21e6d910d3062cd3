from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pathoai.cli.main import main
from pathoai.cli.predict_work import network_of
from pathoai.errors import InvalidValueError, LeakError, ModelError
from pathoai.inference.predictor import Predictor
from pathoai.models.bundle import load_bundle, load_network, save_bundle
from pathoai.models.onnx_model import load_onnx_model
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_training.export.export_model import export_model
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.train import train

pytestmark = pytest.mark.long

StudyMaker = Callable[..., Study]
SEMANTIC, INSTANCES = "breast-tissue-segmentation", "breast-nuclei-segmentation"
PATIENTS = tuple(f"P{i:015d}" for i in range(3))
LEARNT = ["trainer.max_steps=40", "model.arguments={width: 8, depth: 1}"]


def trained(study: Study, recipe: str, overrides: list[str], split: str) -> Study:
    train(study, read_recipe(recipe, overrides), split=split, device="cpu")
    return study


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study lies once it was trained; training is what takes long."""
    return tmp_path_factory.mktemp("trained") / "study"


@pytest.fixture
def semantic(make_study: StudyMaker, small: list[str], kept: Path, tmp_path: Path) -> Study:
    """Three patients with a slide each, and a segmentation that learnt something."""
    if not kept.exists():
        study = make_study(*PATIENTS, name="fresh")
        shutil.copytree(trained(study, SEMANTIC, [*small, *LEARNT], "patient").path, kept)
    shutil.copytree(kept, tmp_path / "study")
    return Study(tmp_path / "study")


def says(study: Study, name: str, tiles: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What `pathoai predict` gets of tiles `(N, S, S, 3)`."""
    folder, cpu = study.model_path(name), torch.device("cpu")
    bundle = load_bundle(folder)
    predictor = Predictor(bundle, load_network(folder, bundle, cpu), study.ontology, cpu)
    return predictor.probabilities(tiles)


def test_a_segmentation_leaves_in_both_precisions(
    semantic: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study = semantic
    out = study.model_path(SEMANTIC) / "onnx"
    words = ["model", "export", str(study.path), "--model", SEMANTIC, "--to", "onnx"]
    assert main([*words, "--int8"]) == 0
    assert "held-out tiles" in capsys.readouterr().out
    assert sorted(f.name for f in out.iterdir()) == [
        "README.md", "export.json", "model.int8.onnx", "model.onnx",
    ]  # fmt: skip
    record = json.loads((out / "export.json").read_text("utf8"))
    assert {"torch", "onnx", "onnxruntime", "onnxscript"} <= set(record["software"])
    bundle = load_bundle(study.model_path(SEMANTIC))
    assert record["bundle_sha256"] == bundle.identity
    float32, int8 = (record["files"][n] for n in ("model.onnx", "model.int8.onnx"))
    assert float32["verified_on_validation"]["largest_difference"] <= 1e-3
    assert int8["verified_on_validation"]["agreement"] >= 0.99
    assert int8["quantisation"]["training_tiles"] == 64
    assert set(int8["verified_on_validation"]["quality_torch"]) == {"dice_1"}
    assert int8["bytes"] < float32["bytes"]
    tiles = SlideStore(study.store_path("S000000000000001")).read_region
    pixels = np.stack([_tile(tiles, x) for x in (0, 64, 300)])
    ours = says(study, SEMANTIC, pixels)
    for precision, closeness in (("float32", 1e-4), ("int8", 0.1)):
        (found,) = load_onnx_model(out, precision, threads=1).run(pixels.transpose(0, 3, 1, 2))
        assert np.abs(found - ours).mean() < closeness
    _check_nothing_tells_tales(out, study)
    assert len(list(study.provenance_path.glob("model-export-*.json"))) == 1
    assert main(["model", "verify", str(out)]) == 0
    assert "gives (1, 2, 64, 64)" in capsys.readouterr().out
    _check_predict_takes_it(study, record, capsys)
    (out / "model.int8.onnx").write_bytes((out / "model.onnx").read_bytes())
    assert main(["model", "verify", str(out)]) == 1
    assert "missing or was altered" in capsys.readouterr().err
    network_of.cache_clear()  # as in a new process
    assert main([*_predicting(study), "--runtime", "onnx-int8"]) == 1
    assert "missing or was altered" in capsys.readouterr().err
    assert main(words) == 1
    assert "something lies where the export should go" in capsys.readouterr().err


def _predicting(study: Study) -> list[str]:
    slide_id = next(iter(study.cohort)).slide_id
    return [
        "predict",
        str(study.path),
        "--model",
        SEMANTIC,
        "--device",
        "cpu",
        "--slides",
        slide_id,
    ]


def _check_predict_takes_it(
    study: Study, record: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """In 8-bit integers it is another model: never taken for the one in float32."""
    store = SlideStore(study.store_path(next(iter(study.cohort)).slide_id))
    maps = {}
    for runtime, precision in (("torch", "float32"), ("onnx-int8", "int8"), ("auto", "float32")):
        earlier = set(study.provenance_path.glob("predict-*.json"))
        assert main([*_predicting(study), "--runtime", runtime]) == 0
        assert "complete before this run" not in capsys.readouterr().out
        (path,) = set(study.provenance_path.glob("predict-*.json")) - earlier
        said = json.loads(path.read_text("utf8"))["parameters"]
        assert said["made_on"]["precision"] == precision
        assert said["made_on"]["runtime"].split()[0] == (
            "torch" if runtime == "torch" else "onnxruntime"
        )
        label = store.label(f"prediction/{SEMANTIC}")
        int8 = {SEMANTIC: record["files"]["model.int8.onnx"]["sha256"]}
        assert label.about.get("int8") == (int8 if precision == "int8" else None)
        maps[runtime] = label.read_all()
    # In float32 it is one model, whoever computes.
    assert main([*_predicting(study), "--runtime", "torch"]) == 0
    assert "complete before this run" in capsys.readouterr().out
    assert (maps["auto"] != maps["torch"]).mean() <= 1e-3
    assert (maps["onnx-int8"] != maps["torch"]).mean() <= 0.01


def _tile(read: Callable[..., Any], x: int) -> np.ndarray[Any, Any]:
    from pathoai.geometry import Region, Size

    return np.asarray(read(Region(x, 0, 64, 64), size_px=Size(64, 64)))


def _check_nothing_tells_tales(out: Path, study: Study) -> None:
    # All folders of tests, where the study lay when it was trained as well.
    secrets = [str(study.path.parent.parent), str(Path.home()), str(Path.cwd()), *PATIENTS]
    secrets += [row.slide_id for row in study.cohort]
    for file in out.iterdir():
        for secret in secrets:
            assert secret.encode() not in file.read_bytes(), file.name


def test_objects_leave_with_their_maps(
    make_study: StudyMaker, small: list[str], tmp_path: Path
) -> None:
    study = trained(make_study(PATIENTS[0]), INSTANCES, [*small, *LEARNT], "area")
    record = export_model(study, INSTANCES, tmp_path / "out", int8=True)
    assert record["outputs"] == ("probabilities", "maps")
    for about in record["files"].values():
        assert set(about["verified_on_validation"]["quality_torch"]) == {"dice_1", "f1"}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    found = load_onnx_model(tmp_path / "out", threads=1).run(pixels.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(
        np.concatenate(found, axis=1), says(study, INSTANCES, pixels), atol=1e-4
    )


def test_eight_bits_that_do_not_hold_are_refused_with_the_numbers(
    semantic: Study, tmp_path: Path
) -> None:
    study = semantic
    folder = study.model_path(SEMANTIC)
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, torch.device("cpu"))
    with torch.no_grad():
        # One channel a hundred thousand times the others takes all steps of the 8-bit range;
        # the next layer makes up for it, so that torch says what it said.
        state = network.state_dict()
        state["encoders.0.1.weight"][0] *= 1e5
        state["encoders.0.1.bias"][0] *= 1e5
        state["encoders.0.3.weight"][:, 0] /= 1e5
    save_bundle(folder, bundle, network)
    with pytest.raises(ModelError, match=r"same class in \d.*held-out tiles.*without --int8"):
        export_model(study, SEMANTIC, tmp_path / "out", int8=True)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from pathoai.study.study import Study
from pathoai_training.export.export_model import export_model

torch.set_num_threads(1)
export_model(
    Study(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3]),
    advance=lambda done, total: os.kill(os.getpid(), signal.SIGKILL),
)
"""


def test_what_cannot_be_exported_is_refused_and_a_kill_leaves_nothing_whole(
    semantic: Study, tmp_path: Path
) -> None:
    study, out = semantic, tmp_path / "out"
    words = [sys.executable, "-c", KILLED, str(study.path), SEMANTIC, str(out)]
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert not out.exists()
    folder = study.model_path(SEMANTIC)
    with pytest.raises(InvalidValueError, match="in what is exported"):
        export_model(study, SEMANTIC, folder / "elsewhere")
    # A patient who turns out to be another: the split, by patient, comes out another way.
    rows = list(study.cohort)
    other = [replace(row, patient_id=f"P{9 - i:015d}") for i, row in enumerate(rows)]
    Cohort(other).write(study.path / "cohort.csv")
    with pytest.raises(LeakError, match="the study has changed since training"):
        export_model(study, SEMANTIC, out)
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, torch.device("cpu"))
    save_bundle(folder, replace(bundle, training={}), network)
    with pytest.raises(ModelError, match="does not say how it was trained"):
        export_model(study, SEMANTIC, out)
    bag = replace(bundle, task="slide-classification", classes=("normal", "lesion"))
    save_bundle(folder, bag, network)
    with pytest.raises(ModelError, match="models of this task cannot be exported"):
        export_model(study, SEMANTIC, out)
    assert not out.exists()


def test_the_card_is_written_again_with_what_a_person_noted(
    semantic: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study = semantic
    folder, words = study.model_path(SEMANTIC), ["model", "card", "--model", SEMANTIC]
    card = (folder / "README.md").read_text("utf8")
    for subset in ("train", "validation", "test"):
        assert f"| {subset} | 1 | 1 | 0 | 0 | " in card
    for row in study.cohort:
        assert row.slide_id not in card
        assert row.patient_id not in card
    assert main([*words, str(study.path)]) == 0
    assert "7 things only a person can say are missing" in capsys.readouterr().out
    notes = folder / "card_notes.md"
    text = notes.read_text("utf8")
    notes.write_text(text.replace("## Known failures\n", "## Known failures\n\nFrozen sections.\n"))
    assert main([*words, str(study.path)]) == 0
    assert "6 things" in capsys.readouterr().out
    assert "### Known failures\n\nFrozen sections." in (folder / "README.md").read_text("utf8")
