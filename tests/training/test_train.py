from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer

from pathoai.errors import InvalidValueError, LeakError, ModelError, RecipeError
from pathoai.models.bundle import ModelBundle, load_bundle, load_network
from pathoai.ontology import NOT_ASSESSED
from pathoai.study.study import Study
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.recipes.trainer_settings import TrainerSettings
from pathoai_training.running.lightning_run import CHECKPOINT, precision_of, quiet_lightning
from pathoai_training.splits.split import Split, SplitKind
from pathoai_training.train import train

NAME = "breast-tissue-segmentation"
PATIENT = "P000000000000000"
StudyMaker = Callable[..., Study]


def run(study: Study, overrides: list[str], **options: object) -> ModelBundle:
    recipe = read_recipe(NAME, overrides)
    return train(study, recipe, split=SplitKind.AREA, device="cpu", **options)  # type: ignore[arg-type]  # a test's shorthand


def weights(study: Study, name: str = NAME) -> dict[str, torch.Tensor]:
    folder = study.model_path(name)
    return load_network(folder, load_bundle(folder), torch.device("cpu")).state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_it_learns_and_says_how(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    bundle = run(study, [*small, "trainer.max_steps=60", "trainer.steps_per_epoch=30"])
    dice = bundle.training["metrics"]["dice"]
    assert set(dice) == {"background", "nucleus"}
    assert dice["nucleus"] > 0.8
    assert bundle.calibration.temperature != 1
    assert sum(bundle.calibration.reliability.count) > 1000
    assert bundle.classes == ("background", "nucleus")
    assert bundle.spec.size_px == 64
    split = bundle.training["split"]
    (path,) = study.splits_path.glob("area-*.json")
    assert (split["kind"], split["sha256"]) == ("area", Split.read(path).sha256)
    assert "nothing about other patients" in bundle.intended_use
    assert "Research only" in bundle.intended_use
    assert bundle.training["label_statement"].endswith("not validated by a pathologist")
    assert bundle.training["steps"] == 60
    assert {"torch", "pytorch-lightning"} <= set(bundle.training["software"])
    assert [s["slide_id"] for s in bundle.training["slides"]] == ["S000000000000000"]
    assert list((study.path / "runs" / NAME).rglob("metrics.csv"))
    (provenance,) = study.provenance_path.glob("train-*.json")
    note = json.loads((study.path / "runs" / NAME / "run.json").read_text("utf8"))
    assert note == {"fingerprint": bundle.training["fingerprint"]}
    # No path leaves with the bundle.
    for file in (study.model_path(NAME) / "bundle.json", provenance):
        text = file.read_text("utf8")
        for secret in (str(study.path), str(Path.cwd()), str(Path.home()), "/tmp"):
            assert secret not in text


def test_patients_are_kept_apart(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(*(f"P{i:015d}" for i in range(3)))
    bundle = train(study, read_recipe(NAME, small), device="cpu")
    assert bundle.training["split"]["kind"] == "patient"
    assert "patients that training did not see" in bundle.intended_use


def test_same_seed_same_weights(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    before = torch.get_rng_state()
    run(study, small, name="first")
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)  # the caller's random numbers have no part in it
    run(study, small, name="second")
    run(study, [*small, "seed=1"], name="third")
    assert same(weights(study, "first"), weights(study, "second"))
    assert not same(weights(study, "first"), weights(study, "third"))


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from pathoai.study.study import Study
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.split import SplitKind
from pathoai_training.train import train

def power_cut(done, total):
    if done == 7:
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
recipe = read_recipe(sys.argv[2], sys.argv[3:])
study = Study(Path(sys.argv[1]))
train(study, recipe, split=SplitKind.AREA, device="cpu", advance=power_cut)
"""


def test_a_killed_run_ends_with_the_same_weights(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    run(study, small, name="straight")
    words = [sys.executable, "-c", KILLED, str(study.path), NAME, *small]
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGKILL
    checkpoint = study.path / "runs" / NAME / CHECKPOINT
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 4
    steps: list[int] = []
    run(study, small, advance=lambda done, _: steps.append(done))
    assert steps == list(range(5, 13))
    assert same(weights(study), weights(study, "straight"))


def test_how_it_is_kept_and_logged_makes_no_other_run(
    make_study: StudyMaker, small: list[str]
) -> None:
    study = make_study(PATIENT)
    first = run(study, small)
    neutral = ["trainer.checkpoint_s=1", "trainer.logs=[csv, tensorboard]", "data.workers=1"]
    assert run(study, [*small, *neutral]) == first


def test_a_finished_run_is_not_repeated(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    steps: list[int] = []
    first = run(study, small, advance=lambda done, _: steps.append(done))
    assert run(study, small, advance=lambda done, _: steps.append(done)) == first
    assert len(steps) == 12
    run(study, small, again=True, advance=lambda done, _: steps.append(done))
    assert len(steps) == 24
    other = run(study, [*small, "model.weight_decay=0.1"])
    assert other.training["fingerprint"] != first.training["fingerprint"]


def test_altered_weights_are_trained_again(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    run(study, small)
    file = study.model_path(NAME) / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError):
        load_bundle(study.model_path(NAME))
    run(study, small)
    assert load_bundle(study.model_path(NAME)).name == NAME


def test_what_cannot_be_trained_is_refused_first(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    for options, kind, says in (
        ({"name": "../elsewhere"}, InvalidValueError, "one word, not by a path"),
        ({"name": ".hidden"}, InvalidValueError, "one word, not by a path"),
        ({"device": "abacus"}, InvalidValueError, "no such device"),
    ):
        with pytest.raises(kind, match=says):
            train(study, read_recipe(NAME, small), split=SplitKind.AREA, **options)  # type: ignore[arg-type]  # as above
    with pytest.raises(RecipeError, match=r"another ontology.*found cervix"):
        run(study, [*small, "ontology=cervix"])
    with pytest.raises(LeakError, match="sees"):
        run(study, [*small, "data.guard_px=4"])
    assert not (study.path / "models").exists()


def test_validation_and_test_dice_are_logged(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    workshop = build(read_recipe(NAME, small), study=study.path, split=SplitKind.AREA)
    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
        )
        (found,) = trainer.test(workshop.model, datamodule=workshop.data, verbose=False)
    assert set(found) == {"test/dice/background", "test/dice/nucleus"}
    run(study, small)
    csv = next((study.path / "runs" / NAME).rglob("metrics.csv")).read_text("utf8")
    assert "validation/dice/nucleus" in csv


def test_precision_follows_the_device() -> None:
    flags = Path("/proc/cpuinfo").read_text("utf8").split() if sys.platform == "linux" else []
    has_bf16 = "avx512_bf16" in flags or "amx_bf16" in flags
    expected = "bf16-mixed" if has_bf16 else "32-true"
    assert precision_of(TrainerSettings(), torch.device("cpu")) == expected
    assert precision_of(TrainerSettings(precision="16-mixed"), torch.device("cpu")) == "16-mixed"


def test_ignored_pixels_reach_the_loss_as_255(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    data = build(read_recipe(NAME, small), study=study.path, split=SplitKind.AREA).data
    data.setup()
    _, target = next(iter(data.test_dataloader()))
    assert set(target.unique().tolist()) <= {0, 1, NOT_ASSESSED}
