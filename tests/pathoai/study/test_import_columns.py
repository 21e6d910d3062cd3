"""Columns that come later: coded like those of `pathoai add`, and all or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import MissingFileError, OntologyError, PathoaiError, StudyError
from pathoai.privacy.pseudonym import is_code
from pathoai.study.cohort import Cohort, CohortRow, IncomingSlide
from pathoai.study.grade import check_grades, severity
from pathoai.study.import_columns import import_columns
from pathoai.study.pairs import pairs_of
from pathoai.study.study import Study


@pytest.fixture
def cervix(tmp_path: Path) -> Study:
    """A study of three slides, of which nothing is known."""
    study = Study.create(tmp_path / "cervix", ontology="cervix")
    for name in "abc":
        (tmp_path / f"{name}.svs").write_bytes(name.encode())
    study.add(IncomingSlide(tmp_path / f"{name}.svs") for name in "abc")
    return study


def table(study: Study, *lines: str) -> Path:
    path = study.path.parent / "table.csv"
    ids = [row.slide_id for row in study.cohort]
    text = "\n".join(line.format(*ids) for line in lines)
    path.write_text(text + "\n", "utf-8-sig")
    return path


def test_columns_are_added_and_identifiers_coded_as_by_add(cervix: Study) -> None:
    path = table(
        cervix,
        "slide_id,patient,block,centre,scanner,stain_batch,grade",
        "{0},DUPONT,24B01-A1,Brest,NanoZoomer S360,batch 7,cin3",
        "{1},DUPONT,24B01-A2,Brest,,,benign",
    )
    one, two = import_columns(cervix, path)
    third = list(cervix.cohort)[2]
    assert one.patient_id == two.patient_id
    assert one.centre_id == two.centre_id
    assert one.block_id != two.block_id
    assert all(is_code(c) for c in (one.patient_id, one.block_id, one.centre_id, two.block_id))
    assert (one.scanner, one.stain_batch, one.grade) == ("NanoZoomer S360", "batch 7", "cin3")
    assert third == CohortRow(third.slide_id, source_sha256=third.source_sha256)
    text = (cervix.path / "cohort.csv").read_text("utf8")
    assert not [name for name in ("DUPONT", "24B01", "Brest") if name in text]
    again = IncomingSlide(cervix.source_of(third.slide_id), patient="DUPONT", block="24B01-A2")
    (row,) = cervix.add([again])
    assert (row.patient_id, row.block_id) == (one.patient_id, two.block_id)


def test_pairs_and_markers_are_columns_like_others(
    cervix: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = import_columns(
        cervix, table(cervix, "slide_id,pair,stain,marker", "{0},p 1,H&E,", "{1},p 1,IHC,CDKN2A")
    )
    assert [(r.pair, r.stain, r.marker) for r in rows] == [
        ("p 1", "HE", ""),
        ("p 1", "IHC", "CDKN2A"),
    ]
    (pair,) = pairs_of(cervix.cohort)
    assert pair.marker == "CDKN2A"
    assert main(["cohort", "show", str(cervix.path)]) == 0
    said = capsys.readouterr().out
    assert "pairs: 1; not stated for 1 slides" in said
    assert "marker: CDKN2A 1, not stated 2" in said


def test_blank_cells_say_nothing_and_a_grade_can_be_corrected(cervix: Study) -> None:
    import_columns(cervix, table(cervix, "slide_id,patient,grade", "{0},DUPONT,lsil"))
    (row,) = import_columns(cervix, table(cervix, "slide_id,patient,grade", "{0},,hsil"))
    assert row.grade == "hsil"
    assert row.patient_id
    assert row.stain == "HE"


@pytest.mark.parametrize(
    ("lines", "error", "says"),
    [
        (["slide_id,name", "{0},DUPONT"], StudyError, "other columns.*slide_id .required"),
        (["slide,patient", "{0},DUPONT"], StudyError, "other columns"),
        (["slide_id", "{0}"], StudyError, "other columns"),
        (["slide_id,patient", "0000000000000000,DUPONT"], StudyError, "no such slide"),
        (["slide_id,patient", "{0},A", "{0},A"], StudyError, "line 3: a slide occurs twice"),
        (["slide_id,patient", "{0},A", "{1}"], StudyError, "line 3: a row needs as many cells"),
        (["slide_id,patient", "{0},A", "{1},A,B"], StudyError, "line 3: a row needs as many"),
        (["slide_id,grade", "{0},lsil", "{1},lisl"], OntologyError, "did you mean 'lsil'"),
        (["slide_id,grade", "{0},stroma"], OntologyError, "no grade of a slide.*allowed: benign"),
        (["slide_id,scanner", "{0},scanner of Dr. Müller"], StudyError, "short term"),
        (["slide_id,pair", "{0},Jeanne@Dupont"], StudyError, "short term"),
        (["slide_id,marker", "{0},AE1AE3"], StudyError, "H&E shows no marker.*stain IHC"),
        (["slide_id,patient,block", "{0},A,A1", "{1},B,A1"], StudyError, "of two patients.*case"),
    ],
)
def test_a_bad_table_changes_nothing(
    cervix: Study, lines: list[str], error: type[PathoaiError], says: str
) -> None:
    before = (cervix.path / "cohort.csv").read_bytes()
    with pytest.raises(error, match=says) as raised:
        import_columns(cervix, table(cervix, *lines))
    assert (cervix.path / "cohort.csv").read_bytes() == before
    assert "DUPONT" not in str(raised.value)
    assert "Müller" not in str(raised.value)


@pytest.mark.parametrize("column", ["patient", "block"])
def test_a_slide_does_not_change_its_patient_or_block(cervix: Study, column: str) -> None:
    import_columns(cervix, table(cervix, f"slide_id,{column}", "{0},A"))
    with pytest.raises(StudyError, match=f"under another {column}"):
        import_columns(cervix, table(cervix, f"slide_id,{column}", "{0},B"))


def test_there_is_no_table_and_no_key(
    cervix: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingFileError):
        import_columns(cervix, tmp_path / "none.csv")
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "another account"))
    with pytest.raises(StudyError, match="key is not here"):
        import_columns(cervix, table(cervix, "slide_id,patient", "{0},DUPONT"))


def test_the_first_studies_still_load(tmp_path: Path) -> None:
    """And have all columns once they are written again."""
    path = tmp_path / "cohort.csv"
    old = "slide_id,patient_id,centre_id,stain,mpp,source_sha256"
    path.write_text(f"{old}\n{'0' * 16},{'1' * 16},,HE,0.25,ab\n")
    cohort = Cohort.read(path)
    assert list(cohort) == [CohortRow("0" * 16, patient_id="1" * 16, mpp=0.25, source_sha256="ab")]
    cohort.write(path)
    assert (
        path.read_text().splitlines()[0] == f"{old},block_id,scanner,stain_batch,grade,pair,marker"
    )
    assert list(Cohort.read(path)) == list(cohort)
    for header in (f"{old},grade,block_id", f"{old},name", old.replace(",stain", "")):
        path.write_text(f"{header}\n")
        with pytest.raises(StudyError, match="other columns"):
            Cohort.read(path)


def test_severity_follows_the_ontology(cervix: Study, study: Study) -> None:
    ranks = [severity(cervix.ontology, g) for g in ("", "benign", "lsil", "cin2", "ais")]
    assert ranks == [-1, 0, 1, 2, 2]
    assert severity(study.ontology, "dcis") == study.ontology["dcis"].index
    check_grades(study.ontology, ["", "dcis"])


def test_the_command_imports_and_shows(cervix: Study, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(cervix, "slide_id,patient,grade", "{0},A,lsil", "{1},A,benign")
    assert main(["cohort", "import", str(cervix.path), str(path)]) == 0
    assert main(["cohort", "show", str(cervix.path)]) == 0
    out = capsys.readouterr().out
    assert "2 slides have what the table says" in out
    assert "patients: 1; not stated for 1 slides" in out
    assert "grade: benign 1, lsil 1, not stated 1" in out


def test_add_takes_block_centre_and_grade(
    study: Study, generated: tuple[Path, object], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["add", str(study.path), str(generated[0]), "--patient", "P", "--block", "24B01-A1"]
    assert main([*words, "--centre", "Brest", "--grade", "dcis"]) == 0
    (row,) = study.cohort
    assert is_code(row.block_id)
    assert is_code(row.centre_id)
    assert row.grade == "dcis"
    assert main([*words, "--grade", "dcsi"]) == 1
    assert "did you mean 'dcis'" in capsys.readouterr().err
