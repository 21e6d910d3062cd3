"""``pathoai annotations``: what a user types, sees and gets; every misuse is one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shapely import box

from pathoai.cli.main import main
from pathoai.ontology import load_ontology
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.formats.geojson import write_geojson
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
Run = Callable[..., str]
Fail = Callable[..., str]

BREAST = load_ontology("breast")


@pytest.fixture
def run(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``pathoai annotations ACTION STUDY …`` and give what it printed."""

    def made(action: str, *words: object) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study.path), *(str(w) for w in words)]) == 0
        return capsys.readouterr().out

    return made


@pytest.fixture
def fail(study: Study, capsys: pytest.CaptureFixture[str]) -> Fail:
    """Run it, and give the one line of its error."""

    def made(action: str, *words: object, study: object = study.path) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study), *(str(w) for w in words)]) == 1
        said = capsys.readouterr()
        (line,) = [x for x in said.err.splitlines() if x.startswith("pathoai: error: ")]
        assert "bug" not in line
        return line

    return made


@pytest.fixture
def file(tmp_path: Path, draw: Draw) -> Path:
    """A file of three annotations."""
    drawn = [
        draw("a", geometry=box(0, 0, 9, 9)),
        draw("b", geometry=box(20, 0, 29, 9), label="nucleus"),
        draw("c", geometry=box(40, 0, 49, 9), label="stroma"),
    ]
    path = tmp_path / "in.geojson"
    write_geojson(path, drawn, BREAST)
    return path


@pytest.fixture
def other_slide(study: Study, tmp_path: Path) -> str:
    """A second slide of the study."""
    source = tmp_path / "second.svs"
    source.write_bytes(b"another slide")
    (row,) = study.add([IncomingSlide(source)])
    return row.slide_id


def _objects(study: Study, slide_id: str, *, sha256: str = "ab" * 32) -> Path:
    path = study.objects_path(slide_id, "prediction/unet")
    outlines = np.empty(3, dtype=object)
    outlines[:] = [box(20 * i, 0, 20 * i + 9, 9) for i in range(3)]
    source = {"label": "prediction/unet", "model": "unet", "model_sha256": sha256}
    classes = np.full(3, BREAST["nucleus"].index, np.uint8)
    probability = np.array([0.9, 0.6, 0.5], np.float32)
    write_objects(path, ObjectTable(outlines, classes, probability, probability, source))
    return path


def _statuses(study: Study) -> list[Status]:
    with Journal.open(study) as journal:
        return [a.status for a in journal.annotations()]


def test_an_import_enters_proposals_once(study: Study, run: Run, file: Path, slide_id: str) -> None:
    said = run("import", file, "--author", "R1")
    assert said.startswith(f"{slide_id}: 3 annotations read, 3 new, all proposals\n")
    assert "3 annotations read, 0 new" in run("import", file, "--author", "R1")
    with Journal.open(study) as journal:
        events = list(journal.events())
    assert [(e.author, e.state.origin, e.operation) for e in events] == [
        ("R1", "import", "propose")
    ] * 3


def test_an_import_again_after_a_reader_judged_changes_nothing(
    study: Study, run: Run, file: Path
) -> None:
    run("import", file)
    run("validate", "--author", "R1", "--limit", 1)
    assert "0 new" in run("import", file)
    assert _statuses(study) == [Status.VALIDATED, Status.PROPOSED, Status.PROPOSED]


def test_an_import_of_one_bad_feature_enters_none(study: Study, fail: Fail, file: Path) -> None:
    collection = json.loads(file.read_text())
    collection["features"][2]["properties"]["classification"]["name"] = "stomra"
    file.write_text(json.dumps(collection))
    error = fail("import", file)
    assert "FILE feature 3: unknown class; found 'stomra'" in error
    assert "did you mean 'stroma'?" in error
    assert _statuses(study) == []


def test_an_import_and_an_export_give_the_same_outlines(
    run: Run, file: Path, tmp_path: Path, slide_id: str
) -> None:
    run("import", file)
    out = tmp_path / "out.geojson.gz"
    assert run("export", out) == f"{slide_id}: 3 annotations written\n"
    plain = tmp_path / "out.json"
    run("export", plain)
    before, after = (json.loads(p.read_text())["features"] for p in (file, plain))
    for one, two in zip(before, after, strict=True):
        assert (one["id"], one["geometry"]) == (two["id"], two["geometry"])
        assert one["properties"]["classification"] == two["properties"]["classification"]
    assert "3 annotations read, 0 new" in run("import", out)


def test_an_export_leaves_the_rejected_out_unless_they_are_asked_for(
    study: Study, run: Run, file: Path, tmp_path: Path
) -> None:
    run("import", file)
    run("validate", "--author", "R1", "--label", "dcis")
    with Journal.open(study) as journal:
        (stroma,) = [a.id for a in journal.annotations() if a.label == "stroma"]
        journal.reject([stroma], author="R1")
    out = tmp_path / "out.geojson"
    assert "2 annotations written" in run("export", out)
    assert "1 annotations written" in run("export", out, "--status", "rejected")
    (feature,) = json.loads(out.read_text())["features"]
    assert feature["id"] == str(stroma)
    assert "2 annotations" in run("export", out, "--status", "validated", "rejected")
    assert "0 annotations" in run("export", out, "--status", "corrected")


def test_a_proposal_of_a_prediction_enters_once_and_says_what_it_came_from(
    study: Study, run: Run, slide_id: str
) -> None:
    _objects(study, slide_id)
    assert run("propose", "--model", "unet") == f"{slide_id}: 3 objects proposed, 3 new\n"
    assert "3 objects proposed, 0 new" in run("propose", "--model", "unet")
    with Journal.open(study) as journal:
        found = journal.annotations()
    assert {a.derived_from for a in found} == {"model:unet@" + "ab" * 32}
    assert [a.confidence for a in found] == pytest.approx([0.9, 0.6, 0.5])


def test_only_a_region_is_proposed_and_validated(study: Study, run: Run, slide_id: str) -> None:
    _objects(study, slide_id)
    region = ("--region", -5, 0, 26, 5)
    assert "2 objects proposed, 2 new" in run("propose", "--model", "unet", *region)
    assert "3 objects proposed, 1 new" in run("propose", "--model", "unet")
    said = run("validate", "--author", "R1", "--region", 41, 1, 1, 1)
    assert said == f"{slide_id}: 1 of 1 proposals validated\n"
    assert _statuses(study) == [Status.PROPOSED, Status.PROPOSED, Status.VALIDATED]


def test_validation_is_of_a_class_of_an_author_and_of_a_number(
    study: Study, run: Run, file: Path, slide_id: str
) -> None:
    run("import", file, "--author", "R1")
    _objects(study, slide_id)
    run("propose", "--model", "unet")
    assert "0 of 0" in run("validate", "--author", "R2", "--by", "R3")
    assert "1 of 1" in run("validate", "--author", "R2", "--by", "R1", "--label", "nucleus")
    assert "2 of 3" in run("validate", "--author", "R2", "--by", "model", "--limit", 2)
    assert "3 of 3" in run("validate", "--author", "R2")
    assert "0 of 0" in run("validate", "--author", "R2")
    assert set(_statuses(study)) == {Status.VALIDATED}


def test_the_log_lists_every_edit_and_the_summary_counts(
    run: Run, file: Path, slide_id: str, draw: Draw
) -> None:
    assert run("log") == ""
    run("import", file, "--author", "R1")
    run("validate", "--author", "R2", "--limit", 1)
    lines = [line.split() for line in run("log").splitlines()]
    assert [(x[0], x[2], x[3]) for x in lines] == [
        ("1", "R1", "propose"),
        ("2", "R1", "propose"),
        ("3", "R1", "propose"),
        ("4", "R2", "validate"),
    ]
    assert lines[3][4:] == [slide_id, str(draw("a").id), "dcis"]
    assert run("summary") == (f"{slide_id}: 2 proposed, 1 validated, 0 corrected, 0 rejected\n")


def test_a_slide_of_several_must_be_named(
    run: Run, fail: Fail, file: Path, slide_id: str, other_slide: str
) -> None:
    for action in ("import", "export"):
        error = fail(action, file)
        assert f"--slide: which slide?; found 2 slides; allowed: {slide_id}, {other_slide}" in error
    assert run("import", file, "--slide", other_slide).startswith(f"{other_slide}: 3")
    assert run("summary").splitlines() == [
        f"{slide_id}: 0 proposed, 0 validated, 0 corrected, 0 rejected",
        f"{other_slide}: 3 proposed, 0 validated, 0 corrected, 0 rejected",
    ]
    assert run("validate", "--author", "R1", "--slide", slide_id) == (
        f"{slide_id}: 0 of 0 proposals validated\n"
    )
    assert "another content" in fail("import", file, "--slide", slide_id)


def test_a_slide_without_a_prediction_does_not_keep_the_others_back(
    study: Study, run: Run, fail: Fail, slide_id: str, other_slide: str
) -> None:
    _objects(study, other_slide)
    error = fail("propose", "--model", "unet")
    assert "1 of 2 slides failed; the others are done" in error
    assert slide_id in error
    assert run("summary").splitlines()[1].startswith(f"{other_slide}: 3 proposed")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["export", "out.geojson", "--slide", "0" * 16], "the study has no such slide"),
        (["validate", "--author", "R1", "--slide", "nope"], "the study has no such slide"),
        (["propose", "--model", "unet", "--slide", "nope"], "the study has no such slide"),
        (["export", "out.geojson", "--status", "sure"], "unknown status; found sure; allowed: pro"),
        (["export", "out.doc"], "no annotation format has this file name; found .doc"),
        (["export", "absent/out.geojson"], "absent: no such folder"),
        (["import", "absent.geojson"], "FILE: no such file"),
        (["import", "IN", "--author", "Marie Dupont"], "short codes, never names"),
        (["import", "IN", "--label", "stomra"], "did you mean 'stroma'"),
        (["propose", "--model", "absent"], "no objects of that label were written"),
        (["propose", "--model", "unet", "--region", "0", "0", "0", "5"], "a positive size"),
        (["validate", "--author", "Marie Dupont"], "short codes, never names"),
        (["validate", "--author", "R1", "--label", "stomra"], "did you mean 'stroma'"),
        (["validate", "--author", "R1", "--limit", "0"], "--limit: nothing to validate; found 0"),
        (["validate", "--author", "R1", "--limit", "-1"], "allowed: 1 or more"),
        (["validate", "--author", "R1", "--region", "0", "0", "nan", "5"], "finite position"),
    ],
)
def test_a_misuse_is_one_clear_line_and_changes_nothing(
    study: Study,
    run: Run,
    fail: Fail,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    run("import", file)
    monkeypatch.chdir(tmp_path)
    assert expected in fail(*(str(file) if w == "IN" else w for w in words))
    assert _statuses(study) == [Status.PROPOSED] * 3
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("action", ["log", "summary"])
def test_a_folder_that_is_no_study_is_named_with_a_remedy(
    fail: Fail, tmp_path: Path, action: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name, expected in (("empty", "not a study"), ("absent", "no such study")):
        error = fail(action, study=tmp_path / name)
        assert f"{name}: {expected}" in error
        assert "pathoai init" in error
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_study_without_slides_says_so(
    tmp_path: Path, fail: Fail, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Study.create(tmp_path / "new", ontology="breast").path
    for words in (["propose", "--model", "unet"], ["validate", "--author", "R1"]):
        assert "no slides yet" in fail(*words, study=empty)
    assert "which slide?" in fail("import", file, study=empty)


def test_a_damaged_journal_is_named_with_a_remedy(study: Study, fail: Fail) -> None:
    study.journal_path.write_bytes(b"no journal" * 1000)
    for action in ("log", "summary"):
        assert "the journal is damaged" in fail(action)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["delete", "STUDY"],
        ["validate", "STUDY"],
        ["validate", "STUDY", "--author", "R1", "--limit", "many"],
        ["validate", "STUDY", "--auth", "R1"],
        ["export", "STUDY", "out.geojson", "--label", "dcis"],
        ["export", "STUDY", "out.geojson", "--repair"],
        ["propose", "STUDY"],
    ],
)
def test_unknown_and_shortened_options_are_refused(
    study: Study, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["annotations", *(str(study.path) if w == "STUDY" else w for w in words)])
    assert stopped.value.code == 2
    assert "usage: pathoai" in capsys.readouterr().err
