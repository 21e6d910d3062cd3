"""Bags of a study: who is in them, what a step sees, and what is refused."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from pathoai.errors import InvalidValueError, LeakError, OntologyError, StoreError, StudyError
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_training.data import bag_dataset
from pathoai_training.data.bag_data import BagData
from pathoai_training.data.bag_dataset import WHOLE, BagDataset, NumberedDraws, collate_bags
from pathoai_training.sampling.seeded_sampler import SeededSampler
from pathoai_training.splits.openings import Opening
from tests.training.graded_study import (
    ENCODER,
    GRADES,
    LENGTH,
    SPEC,
    TILES,
    graded_study,
    write_features,
    write_store,
)

CLASSES = ("benign", "lsil", "hsil", "invasive")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 20 slides of four grades."""
    return graded_study(tmp_path_factory.mktemp("graded") / "study", GRADES * 5).path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    """A copy that may be changed."""
    return Study(Path(shutil.copytree(made, tmp_path / "study")))


def data_of(study: Study, **changes: object) -> BagData:
    values: dict[str, object] = {
        "study": study.path,
        "classes": CLASSES,
        "encoder": "tiny",
        "bag_size": 16,
        "batch_size": 4,
        "steps_per_epoch": 5,
    }
    found = BagData(**(values | changes))  # type: ignore[arg-type]  # checked by running
    found.setup()
    return found


def test_subsets_hold_their_slides_with_all_tiles(study: Study) -> None:
    data = data_of(study)
    assert data.spec == SPEC
    assert data.embedding == LENGTH
    assert dict(data.encoder) == ENCODER
    of_slide = data.split.subset_of_slide()
    for subset, loader in (("validation", data.val_dataloader()), ("test", data.test_dataloader())):
        slides = data.slides_of(subset)
        assert {s.slide_id for s in slides} == {s for s, at in of_slide.items() if at == subset}
        for slide, (features, mask, grade) in zip(slides, loader, strict=True):
            assert features.shape == (1, TILES, LENGTH)
            assert mask.all()
            assert grade.tolist() == [slide.grade]
            kept = SlideStore(study.store_path(slide.slide_id)).features("tiny").read()
            torch.testing.assert_close(features[0], torch.from_numpy(kept))


def test_a_step_sees_a_sample_that_follows_from_seed_and_number(study: Study) -> None:
    data = data_of(study)
    first, again = list(data.train_dataloader()), list(data.train_dataloader())
    assert len(first) == 5
    for (one, mask, grade), (other, _, same) in zip(first, again, strict=True):
        assert one.shape == (4, 16, LENGTH)
        assert mask.all()
        assert torch.equal(one, other)
        assert torch.equal(grade, same)
    other_seed = next(iter(data_of(study, seed=1).train_dataloader()))[0]
    assert not torch.equal(first[0][0], other_seed)
    # Each draw is a sample of its own, without a tile twice.
    dataset = data.dataset("train")
    samples = {dataset[0, number][0].numpy().tobytes() for number in range(8)}
    assert len(samples) == 8
    features = dataset[0, 3][0]
    assert len(features.unique(dim=0)) == 16
    assert len(dataset[0, WHOLE][0]) == TILES


def test_draws_are_numbered_across_epochs_and_processes() -> None:
    drawn: list[tuple[int, int]] = []
    for epoch in range(2):
        for rank in range(3):
            done = partial(int, 5 * epoch)
            positions = SeededSampler(7, length=5, seed=0, done=done, process=rank, processes=3)
            draws = NumberedDraws(positions, done=done, process=(rank, 3))
            assert len(draws) == 5
            drawn += list(draws)
    assert sorted(number for _, number in drawn) == list(range(30))
    whole = SeededSampler(7, length=30, seed=0, done=lambda: 0)
    assert [position for position, _ in sorted(drawn, key=lambda d: d[1])] == list(whole)


def test_short_bags_are_filled_up_and_masked() -> None:
    bags = [(torch.full((n, 2), float(n)), n) for n in (1, 3)]
    features, mask, grade = collate_bags(bags)
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert features[0].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert grade.tolist() == [1, 3]


def test_what_is_kept_in_memory_is_bounded(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    slides = data_of(study).slides
    bytes_of_one = TILES * LENGTH * 2  # float16
    monkeypatch.setattr(bag_dataset, "_CACHE_BYTES", 3 * bytes_of_one)
    dataset = BagDataset(slides, "tiny", bag_size=4, seed=0)
    whole = [dataset[i, WHOLE][0] for i in range(len(slides))]
    assert len(dataset._cache) == 3
    assert torch.equal(dataset[0, WHOLE][0], whole[0])


def test_classes_can_be_drawn_evenly(study: Study) -> None:
    rows = [
        replace(row, grade="benign" if i >= 8 else row.grade) for i, row in enumerate(study.cohort)
    ]
    Cohort(rows).write(study.path / "cohort.csv")
    data = data_of(study, temperature=float("inf"), steps_per_epoch=200)
    seen = Counter(
        data.dataset("train").slides[p].grade for p, _ in data.train_dataloader().sampler
    )
    assert max(seen.values()) < 1.3 * min(seen.values())
    assert len(list(data.val_dataloader())) == len(data.slides_of("validation"))


def test_the_record_says_what_the_grades_are_worth(study: Study) -> None:
    data = data_of(study, graded_by="consensus of R1 and R2")
    record = data.record()
    assert "weak" in record["label_statement"]
    assert "given by consensus of R1 and R2, not validated" in record["label_statement"]
    assert "who gave them is not on record" in data_of(study).record()["label_statement"]
    assert record["encoder"] == ENCODER
    assert {"slide_id", "store", "features_sha256", "grade", "tiles"} == set(record["slides"][0])
    counts = record["split"]["slides"]
    assert sum(sum(c.values()) for c in counts.values()) == 20
    before = data.inputs()
    write_features(study.store_path(data.slides[0].slide_id), 0, seed=99)
    assert data_of(study).inputs()["features"] != before["features"]
    rows = [replace(row, grade="lsil") if i == 0 else row for i, row in enumerate(study.cohort)]
    Cohort(rows).write(study.path / "cohort.csv")
    assert data_of(study).inputs()["grades"] != before["grades"]


def test_slides_without_features_or_grade_are_left_out_and_told(study: Study) -> None:
    rows = list(study.cohort)
    shutil.rmtree(study.store_path(rows[0].slide_id) / "features")
    shutil.rmtree(study.store_path(rows[1].slide_id))
    Cohort(replace(r, grade="") if i == 2 else r for i, r in enumerate(rows)).write(
        study.path / "cohort.csv"
    )
    data = data_of(study)
    assert len(data.slides) == 17
    assert data.record()["split"]["unused"] == [rows[0].slide_id, rows[1].slide_id]


def test_finer_grades_count_with_their_rank(study: Study) -> None:
    finer = {"hsil": "ais", "invasive_scc": "adenocarcinoma"}
    rows = [replace(row, grade=finer.get(row.grade, row.grade)) for row in study.cohort]
    Cohort(rows).write(study.path / "cohort.csv")
    assert [slide.grade for slide in data_of(study).slides] == [0, 1, 2, 3] * 5


def test_the_test_of_a_written_split_is_locked(study: Study) -> None:
    from pathoai.cli.main import main

    words = ["split", str(study.path), "--by", "patient", "--stratify", "class"]
    assert main(words) == 0
    data = data_of(study, split="main")
    with pytest.raises(LeakError, match=r"test slides are locked.*pathoai evaluate"):
        data.test_dataloader()
    assert set(data.record()["split"]["slides"]) == {"train", "validation"}
    digest = data.split.sha256
    data.open_test(study, Opening("main", digest, 1, "mine", "0" * 64, "evaluate", "R1"))
    assert len(list(data.test_dataloader())) == len(data.slides_of("test")) > 0


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"split": "area"}, InvalidValueError, "areas of it cannot be kept apart"),
        ({"bag_size": 0}, InvalidValueError, "bag_size"),
        ({"graded_by": "Dr. Martin /x"}, InvalidValueError, "graded_by"),
        ({"encoder": "other"}, StudyError, r"0 of them with features.*pathoai features"),
        ({"classes": ("benign", "lsil", "hsil")}, StudyError, "none of the classes stands for"),
        ({"classes": CLASSES[::-1]}, OntologyError, "rise"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    study: Study, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        data_of(study, **changes)


def test_features_of_another_making_are_refused(study: Study) -> None:
    path = study.store_path(next(iter(study.cohort)).slide_id)
    write_features(path, 0, seed=0, weights_sha256="c" * 64)
    with pytest.raises(StudyError, match=r"different weights or tiles.*S0000"):
        data_of(study)
    write_features(path, 0, seed=0, spec=replace(SPEC, overlap_px=4))
    with pytest.raises(StudyError, match="different weights or tiles"):
        data_of(study)
    write_features(path, 0, seed=0, store_sha256="d" * 64)
    with pytest.raises(StoreError, match=r"other pixels.*pathoai features"):
        data_of(study)


def test_no_grade_at_all_and_a_grade_that_training_lacks(study: Study) -> None:
    rows = list(study.cohort)
    Cohort(replace(r, grade="") for r in rows).write(study.path / "cohort.csv")
    with pytest.raises(StudyError, match="pathoai cohort import"):
        data_of(study)
    Cohort(replace(r, grade="lsil" if r.grade == "hsil" else r.grade) for r in rows).write(
        study.path / "cohort.csv"
    )
    with pytest.raises(StudyError, match=r"no training slide has this grade.*hsil"):
        data_of(study)


def test_the_same_scan_in_two_subsets_stops_training(study: Study) -> None:
    for row in study.cohort:
        shutil.rmtree(study.store_path(row.slide_id))
        write_store(study.store_path(row.slide_id), row.slide_id, seed=7)
        write_features(study.store_path(row.slide_id), 0, seed=7)
    with pytest.raises(LeakError, match="duplicate scans"):
        data_of(study)


def test_another_process_sees_the_same_bags(study: Study) -> None:
    dataset = data_of(study).dataset("train")
    here = [dataset[0, number][0] for number in (0, 1, WHOLE)]
    sent = pickle.dumps(dataset)
    assert len(sent) < 20_000  # what was read stays here
    there = pickle.loads(sent)
    assert all(torch.equal(a, there[0, n][0]) for a, n in zip(here, (0, 1, WHOLE), strict=True))
