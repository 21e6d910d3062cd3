"""A split given by a table: taken over as it is, sealed, and refused where it divides groups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import read_split

Capture = pytest.CaptureFixture[str]
SUBSETS = ("train", "train", "train", "validation", "test", "test")


def slide(number: int) -> str:
    return f"S{number:015d}"


@pytest.fixture
def challenge(tmp_path: Path) -> Study:
    """Six slides of five patients: the first and the second are of one; the last states none."""
    study = Study.create(tmp_path / "challenge", ontology="cervix")
    patients = [f"P{max(i, 1):015d}" for i in range(5)]
    rows = [CohortRow(slide(i), p, grade="hsil") for i, p in enumerate([*patients, ""])]
    Cohort(rows).write(study.path / "cohort.csv")
    return study


def table(
    study: Study, changes: Mapping[int, str] | None = None, head: str = "slide_id,subset"
) -> Path:
    path = study.path.parent / "official.csv"
    subsets = dict(enumerate(SUBSETS)) | dict(changes or {})
    rows = [f"{slide(i)},{subset}" for i, subset in subsets.items() if subset]
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8-sig")  # as spreadsheets save it
    return path


def assign(study: Study, path: Path, *words: str) -> int:
    return main(["split", str(study.path), "--assign", str(path), *words])


def test_it_is_taken_over_and_sealed(challenge: Study, capsys: Capture) -> None:
    path = table(challenge)
    assert assign(challenge, path) == 0
    out = capsys.readouterr().out
    assert "train       3       2" in out
    assert "1 slides state no patient: that they are kept apart rests on the table" in out
    split = read_split(challenge, "main")
    assert [split.subset_of_slide()[slide(i)] for i in range(6)] == list(SUBSETS)
    assert split.groups[0] == split.groups[1]
    assert len(set(split.groups)) == 5
    path.unlink()
    assert assign(challenge, table(challenge)) == 0
    assert capsys.readouterr().out == out
    assert assign(challenge, table(challenge, {2: "validation"})) == 1
    assert "another split of that name" in capsys.readouterr().err
    file = challenge.splits_path / "main.json"
    file.write_text(file.read_text().replace('"test"]', '"train"]', 1))
    assert assign(challenge, table(challenge)) == 1
    assert "altered after it was written" in capsys.readouterr().err
    (record,) = challenge.provenance_path.glob("split-*.json")
    assert "official.csv" not in record.read_text()
    assert json.loads(record.read_text())["parameters"]["assigned"] == split.plan.assigned


def test_linked_slides_in_two_subsets_are_refused_or_left_out(
    challenge: Study, capsys: Capture
) -> None:
    path = table(challenge, {1: "test"})
    assert assign(challenge, path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"1 groups are divided, the first: {slide(0)} in train, {slide(1)} in test" in line
    assert "--drop-linked" in line
    assert not challenge.splits_path.exists()
    assert assign(challenge, path, "--drop-linked") == 0
    assert "1 slides are left out: they are linked to the test" in capsys.readouterr().out
    found = read_split(challenge, "main").subset_of_slide()
    assert [found[slide(i)] for i in (0, 1, 2)] == ["left out", "test", "train"]


def test_training_linked_to_validation_is_refused_either_way(
    challenge: Study, capsys: Capture
) -> None:
    path = table(challenge, {1: "validation"})
    for words in ((), ("--drop-linked",)):
        assert assign(challenge, path, *words) == 1
        assert "linked slides are in two subsets" in capsys.readouterr().err


def test_slides_that_the_table_does_not_name_serve_nothing(
    challenge: Study, capsys: Capture
) -> None:
    assert assign(challenge, table(challenge, {2: ""}), "--name", "official") == 0
    assert f"(not in the table): {slide(2)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words", "says"),
    [
        ({2: "training"}, [], "line 4: unknown subset; found 'training'; allowed: train, valid"),
        ({9: "train"}, [], "slides that the study does not have; found 1 of 7"),
        ({3: "train"}, [], "leaves no slide for validation"),
        ({}, ["--folds", "3"], "nothing to deal; found --folds"),
        ({}, ["--test", "0"], "nothing to deal; found --test"),
        ({}, ["--leave-one-centre-out"], "nothing to deal; found --leave-one-centre-out"),
        ({}, ["--by", "case"], "--by; found case"),
    ],
)
def test_a_table_that_is_none_is_one_clear_line(
    challenge: Study, capsys: Capture, changes: dict[int, str], words: list[str], says: str
) -> None:
    assert assign(challenge, table(challenge, changes), *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not challenge.splits_path.exists()


def test_other_columns_and_files_are_refused(challenge: Study, capsys: Capture) -> None:
    assert assign(challenge, table(challenge, head="slide,subset")) == 1
    assert "allowed: slide_id, subset" in capsys.readouterr().err
    assert assign(challenge, challenge.path / "none.csv") == 1
    assert "no such table of subsets" in capsys.readouterr().err
    path = table(challenge)
    path.write_text(path.read_text("utf8") + f"{slide(0)},train\n", "utf8")
    assert assign(challenge, path) == 1
    assert "named twice" in capsys.readouterr().err
    path.write_bytes(b"slide_id,subset\n\xff\xfe,train\n")
    assert assign(challenge, path) == 1
    assert "not a CSV file" in capsys.readouterr().err
    assert main(["split", str(challenge.path), "--by", "patient", "--drop-linked"]) == 1
    assert "--drop-linked goes with --assign" in capsys.readouterr().err


def test_splits_written_before_there_were_tables_keep_their_hash() -> None:
    plan = SplitPlan.from_dict({"by": ["patient"], "test": 0.2, "validation": 0.2})
    assert "assigned" not in plan.to_dict()
