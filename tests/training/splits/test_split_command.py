"""`pathoai split` as a user runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_training.splits.openings import Opening, open_test
from pathoai_training.splits.written_split import read_split

Capture = pytest.CaptureFixture[str]
GRADES = ("benign", "lsil", "hsil", "invasive_scc")


@pytest.fixture
def cervix(tmp_path: Path) -> Study:
    """40 patients at 5 centres, one slide each, every grade ten times."""
    study = Study.create(tmp_path / "cervix", ontology="cervix")
    rows = [
        CohortRow(f"S{i:015d}", f"P{i:015d}", f"C{i % 5:015d}", grade=GRADES[i % 4])
        for i in range(40)
    ]
    Cohort(rows).write(study.path / "cohort.csv")
    return study


def split(study: Study, *words: str) -> int:
    return main(["split", str(study.path), *words])


def test_it_is_written_once_and_the_same_words_print_it_again(
    cervix: Study, capsys: Capture
) -> None:
    words = ("--by", "patient,block", "--stratify", "class")
    assert split(cervix, *words) == 0
    first = capsys.readouterr().out
    assert "Split main: splits/main.json, SHA-256" in first
    assert (
        "train       24      24        5        benign 6, hsil 6, invasive_scc 6, lsil 6" in first
    )
    before = (cervix.splits_path / "main.json").read_bytes()
    Cohort([*cervix.cohort, CohortRow("0" * 16, patient_id="1" * 16)]).write(
        cervix.path / "cohort.csv"
    )
    assert split(cervix, *words) == 0
    again = capsys.readouterr().out
    assert again.startswith(first)
    assert "1 slides are in no subset and serve nothing" in again
    assert "0" * 16 in again
    assert (cervix.splits_path / "main.json").read_bytes() == before
    (record,) = cervix.provenance_path.glob("split-*.json")
    content = json.loads(record.read_text())
    assert content["outputs"] == {"split/main": read_split(cervix, "main").sha256}
    assert str(cervix.path) not in record.read_text()


def test_other_words_need_another_name(cervix: Study, capsys: Capture) -> None:
    assert split(cervix, "--by", "patient") == 0
    assert split(cervix, "--by", "patient", "--seed", "1") == 1
    assert "written once" in capsys.readouterr().err
    assert split(cervix, "--by", "patient", "--seed", "1", "--name", "second") == 0


def test_folds_and_centres(cervix: Study, capsys: Capture) -> None:
    assert split(cervix, "--by", "patient", "--folds", "5", "--name", "k5") == 0
    assert read_split(cervix, "k5").fold_names == ("1", "2", "3", "4", "5")
    assert split(cervix, "--by", "patient", "--leave-one-centre-out", "--name", "loco") == 0
    assert "5 (without C000000000000004)" in capsys.readouterr().out
    assert len(read_split(cervix, "loco").fold_names) == 5
    assert split(cervix, "--by", "centre", "--name", "centres") == 0


def test_a_tampered_split_is_refused(cervix: Study, capsys: Capture) -> None:
    assert split(cervix, "--by", "patient") == 0
    path = cervix.splits_path / "main.json"
    path.write_text(path.read_text().replace('"test"]', '"train"]', 1))
    assert split(cervix, "--by", "patient") == 1
    assert "altered after it was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--by is missing"),
        (["--by", "patients"], "--by; found patients; allowed: patient, block, centre"),
        (["--by", "patient", "--folds", "1"], "--folds; found 1; allowed: 2 or more"),
        (["--by", "patient", "--folds", "41"], "too few groups"),
        (["--by", "patient", "--test", "1.5"], "--test"),
        (["--by", "patient", "--leave-one-centre-out", "--test", "0.2"], "each centre is the test"),
        (["--by", "patient", "--name", "area"], "a split's name"),
        (["--by", "block"], "too few groups"),
        (["--by", "patient", "--stratify", "class", "--folds", "20"], "leave --stratify out"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    cervix: Study, capsys: Capture, words: list[str], says: str
) -> None:
    assert split(cervix, *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not cervix.splits_path.exists()


def test_openings_are_listed(cervix: Study, capsys: Capture) -> None:
    assert split(cervix, "--openings") == 0
    assert capsys.readouterr().out == "0 openings of a test\n"
    open_test(cervix, Opening("main", "a" * 64, 2, "mine", "b" * 64, "evaluate", "R1"))
    assert split(cervix, "--openings") == 0
    out = capsys.readouterr().out
    assert " R1: split main (aaaaaaaaaaaa…) fold 2, model mine (bbbbbbbbbbbb…), evaluate" in out


def test_one_scan_added_as_two_files_is_one_group(make_study: Callable[..., Study]) -> None:
    """Of two patients, as far as anybody says: the pixels tell otherwise."""
    study = make_study(*(f"P{i:015d}" for i in range(5)), seeds=(0, 1, 2, 3, 0))
    first, *_, last = list(study.cohort)
    stores = [SlideStore(study.store_path(row.slide_id)) for row in (first, last)]
    assert stores[0].identity != stores[1].identity
    assert split(study, "--by", "patient") == 0
    made = read_split(study, "main")
    groups = dict(zip(made.slide_ids, made.groups, strict=True))
    assert groups[first.slide_id] == groups[last.slide_id]
    assert len(set(groups.values())) == 4


def test_slides_that_are_not_tiled_are_counted(
    make_study: Callable[..., Study], capsys: Capture
) -> None:
    study = make_study(*(f"P{i:015d}" for i in range(6)))
    assert split(study, "--by", "patient") == 0
    assert "not tiled" not in capsys.readouterr().out
    for row in list(study.cohort)[:2]:
        shutil.rmtree(study.store_path(row.slide_id))
    assert split(study, "--by", "patient") == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if "not tiled yet" in x]
    assert [line.split(" (")[0] for line in lines] == ["2 of 6 slides are not tiled yet"]
