"""A split is written once, and whoever changes it is found out."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from pathoai.errors import InvalidValueError, LeakError, MissingFileError, StudyError
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.seals import seals
from pathoai.study.study import Study
from pathoai_training.splits.group_split import split_by_groups
from pathoai_training.splits.linked_slides import Link
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import (
    WrittenSplit,
    check_split_name,
    read_split,
    split_names,
    write_split,
)

PLAN = SplitPlan((Link.PATIENT,))


def rows_of(patients: int) -> list[CohortRow]:
    return [CohortRow(f"S{i:015d}", patient_id=f"P{i:015d}") for i in range(patients)]


def dealt(study: Study, plan: SplitPlan = PLAN, *, name: str = "main") -> WrittenSplit:
    return split_by_groups(rows_of(20), plan, study.ontology, name=name)


@pytest.fixture
def split(study: Study) -> WrittenSplit:
    Cohort(rows_of(20)).write(study.path / "cohort.csv")
    return write_split(study, dealt(study))


@pytest.mark.parametrize(
    "plan",
    [PLAN, SplitPlan((Link.PATIENT, Link.BLOCK), stratify=False, validation=0.0, folds=4, seed=9)],
)
def test_it_is_read_as_it_was_written(study: Study, plan: SplitPlan) -> None:
    written = write_split(study, dealt(study, plan))
    assert read_split(study, "main") == written == dealt(study, plan)
    assert seals(study.path, "splits") == {"main": written.sha256}
    assert Study(study.path).sheet == study.sheet
    assert write_split(study, dealt(study, plan)) == written
    assert split_names(study) == ("main",)


def test_a_second_split_needs_a_name_of_its_own(study: Study, split: WrittenSplit) -> None:
    before = (study.splits_path / "main.json").read_bytes()
    other = SplitPlan((Link.PATIENT,), seed=5)
    with pytest.raises(StudyError, match=r"another split of that name.*--name"):
        write_split(study, dealt(study, other))
    write_split(study, dealt(study, other, name="second"))
    assert (study.splits_path / "main.json").read_bytes() == before
    assert split_names(study) == ("main", "second")
    assert read_split(study, "main") == split


def test_a_slide_moved_from_test_to_train_is_noticed(study: Study, split: WrittenSplit) -> None:
    path = study.splits_path / "main.json"
    text = path.read_text("utf8")
    path.write_text(text.replace('"test"]', '"train"]', 1), "utf8")
    with pytest.raises(StudyError, match=r"altered after it was written.*study sheet"):
        read_split(study, "main")


def test_another_split_under_the_name_is_noticed(study: Study, split: WrittenSplit) -> None:
    write_split(study, dealt(study, name="second"))
    (study.splits_path / "second.json").replace(study.splits_path / "main.json")
    with pytest.raises(StudyError, match="altered"):
        read_split(study, "main")


def test_a_file_that_nobody_vouches_for_is_no_split(study: Study, split: WrittenSplit) -> None:
    sheet = study.path / "study.toml"
    sheet.write_text(sheet.read_text("utf8").split("[splits]")[0], "utf8")
    with pytest.raises(StudyError, match=r"no such split.*none yet"):
        read_split(study, "main")
    # As after a run that died before it could vouch for the file.
    assert write_split(study, split) == read_split(study, "main")


def test_a_file_that_is_gone_is_not_dealt_anew(study: Study, split: WrittenSplit) -> None:
    (study.splits_path / "main.json").unlink()
    with pytest.raises(MissingFileError, match="backup"):
        read_split(study, "main")
    with pytest.raises(MissingFileError, match="backup"):
        write_split(study, split)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "pathoai split 2"}', '{"format": "pathoai split 1"}']
)
def test_malformed_files(study: Study, split: WrittenSplit, text: str) -> None:
    (study.splits_path / "main.json").write_text(text, "utf8")
    with pytest.raises(StudyError, match="malformed split"):
        read_split(study, "main")


def test_a_forger_who_also_changes_the_sheet_cannot_divide_a_group(
    study: Study, split: WrittenSplit
) -> None:
    raw = split.to_dict()
    raw["slides"][0][1] = raw["slides"][1][1]
    raw["slides"][0][2], raw["slides"][1][2] = "train", "test"
    with pytest.raises(StudyError, match="a group of slides is in two subsets"):
        WrittenSplit.from_dict(raw)


@pytest.mark.parametrize("name", ["patient", "area", "openings", "", "A", "../x", "a" * 41, "a b"])
def test_names_that_cannot_be_used(name: str) -> None:
    with pytest.raises(InvalidValueError, match="split's name"):
        check_split_name(name)


def test_columns_that_contradict_each_other() -> None:
    def made(
        subsets: tuple[tuple[str, ...], ...], groups: tuple[int, ...] = (0, 1)
    ) -> WrittenSplit:
        return WrittenSplit("x", PLAN, ("A", "B"), groups, ("1", "2"), subsets)

    made((("train", "train"), ("test", "test")))
    with pytest.raises(StudyError, match="differ in length"):
        made((("train",), ("test", "test")))
    with pytest.raises(StudyError, match="unknown subset"):
        made((("tain", "train"), ("test", "test")))
    with pytest.raises(LeakError, match="two subsets"):
        made((("train", "train"), ("test", "test")), groups=(1, 1))
    with pytest.raises(LeakError, match="test differs between folds"):
        made((("train", "train"), ("test", "train")))


def test_folds_are_counted_from_one(split: WrittenSplit) -> None:
    for fold in (0, 2):
        with pytest.raises(InvalidValueError, match=r"--fold.*1 to 1"):
            split.subset_of_slide(fold)


def test_splits_written_at_once_are_all_vouched_for(study: Study) -> None:
    names = [f"s{i}" for i in range(8)]
    made = [dealt(study, name=name) for name in names]
    threads = [threading.Thread(target=write_split, args=(study, split)) for split in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert split_names(study) == tuple(names)


def test_a_line_for_each_slide(study: Study, split: WrittenSplit) -> None:
    text = (study.splits_path / "main.json").read_text("utf8")
    assert sum(line.startswith("  [") for line in text.splitlines()) == 20
    assert json.loads(text) == split.to_dict()
    assert not [
        p for p in study.splits_path.iterdir() if p != Path(study.splits_path / "main.json")
    ]
