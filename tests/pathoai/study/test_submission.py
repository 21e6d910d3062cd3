"""Grades in TissueNet's one-hot form: out by rank, and in by any name that a slide has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import MissingFileError, OntologyError, StudyError
from pathoai.study.cohort import IncomingSlide
from pathoai.study.grade import class_of_rank
from pathoai.study.import_columns import import_columns
from pathoai.study.study import Study
from pathoai.study.submission import grades_of_model, read_submission, write_submission

HEADER = "filename,0,1,2,3"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Three slides of cervix."""
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    made = Study.create(tmp_path / "cervix", ontology="cervix")
    for name in "abc":
        (tmp_path / f"{name}.svs").write_bytes(name.encode())
    made.add(IncomingSlide(tmp_path / f"{name}.svs") for name in "abc")
    return made


def table(study: Study, *lines: str) -> Path:
    path = study.path.parent / "labels.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def codes(study: Study) -> list[str]:
    return [row.slide_id for row in study.cohort]


def test_labels_of_the_challenge_become_grades_of_the_cohort(study: Study) -> None:
    one, two, three = codes(study)
    path = table(study, "a.svs,1,0,0,0", "b,0,0,1,0", f"{three},0,0,0,1")
    assert read_submission(study, path) == {one: "benign", two: "hsil", three: "invasive"}
    import_columns(study, path)
    assert [row.grade for row in study.cohort] == ["benign", "hsil", "invasive"]


def test_what_was_read_is_written_again_by_rank(study: Study, tmp_path: Path) -> None:
    one, two, three = codes(study)
    out = tmp_path / "out.csv"
    write_submission(study, out, {one: "benign", two: "cin3", three: "ais"})
    assert out.read_text() == f"{HEADER}\n{one},1,0,0,0\n{two},0,0,1,0\n{three},0,0,1,0\n"
    assert read_submission(study, out) == {one: "benign", two: "hsil", three: "hsil"}
    write_submission(study, out, {one: "lsil"}, file_names=True)
    assert out.read_text() == f"{HEADER}\na.svs,0,1,0,0\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("d.svs,1,0,0,0", "line 2: the study has no such slide"),
        ("a.svs,1,1,0,0", "line 2: a row has one 1"),
        ("a.svs,0,0,0,0", "line 2: a row has one 1"),
        ("a.svs,1,0,0", "line 2: a row has one 1"),
        ("a.svs,0.9,0.1,0,0", "line 2: a row has one 1"),
        ("a.svs,1,0,0,0\na,0,1,0,0", "line 3: a slide occurs twice"),
    ],
)
def test_a_bad_row_is_named_and_changes_nothing(study: Study, line: str, error: str) -> None:
    before = (study.path / "cohort.csv").read_bytes()
    with pytest.raises(StudyError, match=error):
        import_columns(study, table(study, line))
    assert (study.path / "cohort.csv").read_bytes() == before


def test_a_name_of_two_slides_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.svs").write_bytes(b"another a")
    study.add([IncomingSlide(tmp_path / "other" / "a.svs")])
    with pytest.raises(StudyError, match="no such slide, or several"):
        read_submission(study, table(study, "a.svs,1,0,0,0"))


def test_other_ranks_and_ontologies_without_are_refused(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("filename,0,1\na.svs,0,1\n")
    with pytest.raises(OntologyError, match=r"other grades than the ontology.*0, 1, 2, 3"):
        import_columns(study, path)
    breast = Study.create(tmp_path / "breast", ontology="breast")
    with pytest.raises(OntologyError, match="ranks no grades"):
        write_submission(breast, tmp_path / "out.csv", {"x": "dcis"})
    with pytest.raises(OntologyError, match=r"no class has this grade.*0, 1, 2, 3"):
        class_of_rank(study.ontology, 9)
    with pytest.raises(MissingFileError, match="no such table"):
        read_submission(study, tmp_path / "absent.csv")


def test_a_slide_without_a_grade_is_named(study: Study, tmp_path: Path) -> None:
    one, two, _ = codes(study)
    with pytest.raises(StudyError, match=f"slides without a grade; found {two}"):
        write_submission(study, tmp_path / "out.csv", {one: "lsil", two: ""})
    assert not (tmp_path / "out.csv").exists()


def _predicted(study: Study) -> None:
    one, two, three = codes(study)
    path = study.predictions_path("grader")
    path.parent.mkdir(parents=True)
    path.write_text(
        "slide_id,decision,probability_benign,probability_lsil,probability_hsil,probability_invasive\n"
        f"{one},lsil,0.1,0.8,0.1,0\n{two},refer,0.1,0.2,0.4,0.3\n{three},invasive,0,0,0.1,0.9\n"
    )


def test_a_model_s_grades_are_written_and_referred_slides_said(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _predicted(study)
    one, two, three = codes(study)
    assert grades_of_model(study, "grader") == ({one: "lsil", two: "hsil", three: "invasive"}, 1)
    out = tmp_path / "out.csv"
    words = ["cohort", "submission", str(study.path), str(out)]
    assert main([*words, "--model", "grader", "--file-names"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 slides written",
        "1 of them were referred to the doctor: their most probable grade stands",
    ]
    assert out.read_text() == f"{HEADER}\na.svs,0,1,0,0\nb.svs,0,0,1,0\nc.svs,0,0,0,1\n"
    assert main([*words, "--model", "other"]) == 1
    assert "the model has graded no slide" in capsys.readouterr().err
    assert main(words) == 1
    assert "slides without a grade" in capsys.readouterr().err
