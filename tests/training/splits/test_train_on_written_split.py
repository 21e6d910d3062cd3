"""Training on a written split: the test stays locked, leaks and forgeries stop it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, LeakError, StudyError
from pathoai.models.bundle import load_bundle
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.data_module import Loader, StoreDataModule
from pathoai_training.data.device_feed import DeviceFeed
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.chosen_split import parse_choice
from pathoai_training.splits.openings import Opening, openings
from pathoai_training.splits.written_split import read_split
from pathoai_training.train import train

NAME = "breast-nuclei-segmentation"
PATIENTS = tuple(f"P{i:015d}" for i in range(6))
StudyMaker = Callable[..., Study]
Capture = pytest.CaptureFixture[str]


def divided(make_study: StudyMaker, *words: str) -> Study:
    study = make_study(*PATIENTS)
    assert main(["split", str(study.path), "--by", "patient", *words]) == 0
    return study


def module(study: Study, split: str = "main", **changes: object) -> StoreDataModule:
    values: dict[str, object] = {
        "study": study.path,
        "classes": ("nucleus",),
        "label": "annotation/generator",
        "spec": TileSpec(64, 0.5, 16, 0.1),
        "batch_size": 4,
        "train_stride_px": 64,
        "steps_per_epoch": 3,
    }
    return StoreDataModule(split=split, **(values | changes))  # type: ignore[arg-type]  # checked by running


def test_training_measures_validation_and_never_looks_at_the_test(
    make_study: StudyMaker, small: list[str], capsys: Capture
) -> None:
    study = divided(make_study, "--folds", "2")
    settings = [word for override in small for word in ("--set", override)]
    words = ["train", str(study.path), "--recipe", NAME, "--device", "cpu", *settings]
    assert main([*words, "--split", "main", "--fold", "2"]) == 0
    assert "measured on the validation slides of split main, fold 2" in capsys.readouterr().out
    bundle = load_bundle(study.model_path(f"{NAME}-fold-2"))
    written, split = read_split(study, "main"), bundle.training["split"]
    assert (split["kind"], split["name"], split["fold"]) == ("written", "main", 2)
    assert split["sha256"] == written.sha256
    assert set(split["tiles"]) == {"train", "validation"}
    assert openings(study) == []
    # Another fold is another run; the finished one is not repeated.
    recipe = read_recipe(NAME, small)
    same = train(study, recipe, name=bundle.name, split="main/2", device="cpu")
    assert same.training["finished"] == bundle.training["finished"]
    other = train(study, recipe, name=bundle.name, split="main/1", device="cpu")
    assert other.training["fingerprint"] != bundle.training["fingerprint"]


def test_a_quick_split_logs_that_training_looked_at_its_test(
    make_study: StudyMaker, small: list[str]
) -> None:
    study = make_study(PATIENTS[0])
    for _ in range(2):  # the second time nothing is trained, and nothing is opened
        bundle = train(study, read_recipe(NAME, small), split="area", device="cpu")
    (entry,) = openings(study)
    assert (entry.opening.split, entry.opening.purpose) == ("area", "train")
    assert entry.opening.split_sha256 == bundle.training["split"]["sha256"]
    assert entry.opening.model_sha256 == bundle.training["fingerprint"]


def test_the_test_opens_once_it_is_on_record(make_study: StudyMaker) -> None:
    study = divided(make_study)
    data = module(study)
    data.setup()
    with pytest.raises(LeakError, match=r"test slides are locked.*pathoai evaluate"):
        data.dataset("test")
    split = data.split
    data.open_test(study, Opening("main", split.sha256, 1, "mine", "0" * 64, "evaluate", "R1"))
    assert len(data.dataset("test")) > 0
    subsets = split.subset_of_slide()
    for subset, tiles in data.tiles.items():
        slides = {data.slides[i].slide_id for i in np.unique(tiles.slide)}
        assert slides == {s for s, where in subsets.items() if where == subset}
    (entry,) = openings(study)
    assert entry.opening.who == "R1"


def test_slides_added_after_the_split_are_used_for_nothing(make_study: StudyMaker) -> None:
    study = make_study(*PATIENTS)
    whole = study.cohort
    late = list(whole)[-1]
    whole.without([late.slide_id]).write(study.path / "cohort.csv")
    assert main(["split", str(study.path), "--by", "patient"]) == 0
    whole.write(study.path / "cohort.csv")
    data = module(study)
    data.setup()
    used = {data.slides[i].slide_id for t in data.tiles.values() for i in np.unique(t.slide)}
    assert late.slide_id not in used
    assert data.record()["split"]["unused"] == [late.slide_id]


def _one_patient(study: Study) -> None:
    rows = [replace(row, patient_id=PATIENTS[0]) for row in study.cohort]
    Cohort(rows).write(study.path / "cohort.csv")


def _one_block(study: Study) -> None:
    rows = [replace(row, block_id="B" * 16) for row in study.cohort]
    Cohort(rows).write(study.path / "cohort.csv")


def _one_file(study: Study) -> None:
    rows = [replace(row, source_sha256="f" * 64) for row in study.cohort]
    Cohort(rows).write(study.path / "cohort.csv")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_one_patient, f"1 patients: {PATIENTS[0]} in test and train and validation"),
        (_one_block, "1 blocks: BBBB"),
        (_one_file, r"1 duplicate files: slide S\d+ \(test\) = slide"),
    ],
)
def test_what_becomes_known_later_stops_training(
    make_study: StudyMaker, small: list[str], change: Callable[[Study], None], says: str
) -> None:
    study = divided(make_study)
    change(study)
    with pytest.raises(LeakError, match=says):
        train(study, read_recipe(NAME, small), split="main", device="cpu")
    assert not (study.path / "runs").exists()


def test_the_same_pixels_stop_training(make_study: StudyMaker, small: list[str]) -> None:
    """Also where patients are split on the spot: two files of one scan, coded as two patients."""
    study = make_study(*PATIENTS[:3], seeds=(7, 7, 7))
    with pytest.raises(LeakError, match=r"1 duplicate scans"):
        train(study, read_recipe(NAME, small), split="patient", device="cpu")


def test_a_tampered_split_stops_training(make_study: StudyMaker, small: list[str]) -> None:
    study = divided(make_study)
    path = study.splits_path / "main.json"
    path.write_text(path.read_text().replace('"test"]', '"train"]', 1))
    with pytest.raises(StudyError, match="altered"):
        train(study, read_recipe(NAME, small), split="main", device="cpu")


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["--split", "mine"], StudyError, "no such split; found 'mine'; allowed: main"),
        (["--split", "main", "--fold", "2"], InvalidValueError, "1 to 1"),
        (["--split", "patient", "--fold", "1"], InvalidValueError, "--fold goes with"),
        (["--split", "main/x"], InvalidValueError, "NAME or NAME/FOLD"),
    ],
)
def test_splits_that_are_not_there(
    make_study: StudyMaker, capsys: Capture, words: list[str], error: type[Exception], says: str
) -> None:
    study = divided(make_study)
    named = ["--recipe", NAME, "--set", "data.label=annotation/generator"]
    assert main(["train", str(study.path), *named, *words]) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error")]
    assert says in line


def test_a_subset_without_labels_is_told(make_study: StudyMaker) -> None:
    study = divided(make_study)
    subsets = read_split(study, "main").subset_of_slide()
    keep = [row for row in study.cohort if subsets[row.slide_id] != "validation"]
    Cohort(keep).write(study.path / "cohort.csv")
    with pytest.raises(LeakError, match="no slide with a label is in validation"):
        module(study).setup()


def test_names_and_folds() -> None:
    assert parse_choice("main") == ("main", 1)
    assert parse_choice("main/12") == ("main", 12)


def order(loader: Loader) -> list[int]:
    assert not isinstance(loader, DeviceFeed)
    return list(loader.sampler)


def test_training_tiles_can_be_drawn_by_class_and_slide(make_study: StudyMaker) -> None:
    """Uniformly: each training slide as often as another; validation is every tile once."""
    study = divided(make_study)
    data = module(study, temperature=float("inf"), steps_per_epoch=500, tile_class="dominant")
    data.setup()
    drawn = order(data.train_dataloader())
    slides = Counter(data.tiles["train"].slide[drawn].tolist())
    assert len(drawn) == 2000
    assert max(slides.values()) - min(slides.values()) < 6 * np.sqrt(2000 / len(slides))
    assert order(data.train_dataloader()) == drawn
    assert order(data.val_dataloader()) == list(range(len(data.tiles["validation"])))
