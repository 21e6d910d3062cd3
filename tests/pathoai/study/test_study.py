"""A study: slides enter coded, once, and leave no name behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, OntologyError, StudyError
from pathoai.ontology import load_ontology
from pathoai.privacy.pseudonym import is_code
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideTruth


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A file; the study does not look inside."""
    path = tmp_path / "slides" / "DUPONT.svs"
    path.parent.mkdir()
    path.write_bytes(b"some slide")
    return path


def test_a_study_is_made_once(tmp_path: Path) -> None:
    made = Study.create(
        tmp_path / "s", ontology="cervix", title="A title", legal_basis="GDPR 6.1.e"
    )
    again = Study.create(tmp_path / "s", ontology="cervix")
    assert again.sheet == made.sheet == Study(tmp_path / "s").sheet
    assert made.sheet.title == "A title"
    assert made.ontology == load_ontology("cervix")
    other = Study.create(tmp_path / "t", ontology="cervix")
    assert other.sheet.uuid != made.sheet.uuid


def test_a_study_of_another_ontology_is_refused(study: Study) -> None:
    with pytest.raises(StudyError, match=r"another ontology.*breast.*cervix"):
        Study.create(study.path, ontology="cervix")


def test_an_unknown_ontology_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OntologyError, match="breast, cervix"):
        Study.create(tmp_path / "s", ontology="lung")
    assert not (tmp_path / "s").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(StudyError, match=r"not empty.*Remedy"):
        Study.create(tmp_path, ontology="breast")
    with pytest.raises(StudyError, match=r"Remedy"):
        Study.create(tmp_path / "thesis.doc", ontology="breast")
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.doc"]


def test_an_ontology_of_ones_own_becomes_part_of_the_study(tmp_path: Path) -> None:
    """The study survives the loss of the file it came from, and being moved."""
    own = tmp_path / "organ.yaml"
    own.write_text(
        "key: organ\nversion: '1'\ntitle: Organ\nclasses:\n"
        "  - {index: 0, key: background, name: B, name_fr: F, colour: '#ffffff'}\n"
        "  - {index: 1, key: tumour, name: T, name_fr: T, colour: '#ff0000'}\n"
    )
    Study.create(tmp_path / "s", ontology=str(own))
    Study.create(tmp_path / "s", ontology=str(own))
    own.unlink()
    (tmp_path / "s").rename(tmp_path / "moved")
    assert Study(tmp_path / "moved").ontology["tumour"].index == 1
    assert str(tmp_path) not in (tmp_path / "moved" / "study.toml").read_text()


def test_what_is_no_study_is_refused_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no such study.*pathoai init"):
        Study(tmp_path / "absent")
    with pytest.raises(StudyError, match=r"not a study.*pathoai init"):
        Study(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"not a study.*pathoai init"):
        Study(tmp_path / "file")


@pytest.mark.parametrize(
    "sheet",
    [
        "",
        "study = 5",
        "[study",
        "[study]\ntitle = 'only'",
        "[study]\nuuid='x'\ntitle='t'\nontology='breast'\ncreated='now'",
        "[study]\nuuid=5\ntitle='t'\nontology='breast'\ncreated='now'",
        "[study]\nuuid='8d3f0ee4-6c0e-4a5e-9b8a-0f3a52f0d1c1'\ntitle='t'\nontology=7\ncreated='now'",
        "[study]\nuuid='8d3f0ee4-6c0e-4a5e-9b8a-0f3a52f0d1c1'\ntitle='t'\nontology='breast'\n"
        "created='now'\nhospital='unknown field'",
        "\udcff",
    ],
)
def test_a_malformed_sheet_is_refused(tmp_path: Path, sheet: str) -> None:
    (tmp_path / "study.toml").write_bytes(sheet.encode("utf8", "surrogateescape"))
    with pytest.raises(StudyError, match=r"malformed study sheet.*allowed: a \[study\] table"):
        Study(tmp_path)


def test_a_sheet_names_a_database_without_a_password(study: Study) -> None:
    sheet = study.path / "study.toml"
    text = sheet.read_text("utf8")
    assert not study.has_journal
    sheet.write_text(text.replace('journal = ""', 'journal = "postgresql://host/db"'), "utf8")
    again = Study(study.path)
    assert (again.sheet.journal, again.has_journal) == ("postgresql://host/db", True)
    for url in ("postgresql://me:secret@host/db", "postgresql://host/db?password=secret"):
        sheet.write_text(text.replace('journal = ""', f'journal = "{url}"'), "utf8")
        with pytest.raises(StudyError, match=r"study is shared.*pgpass.*PGPASSWORD") as raised:
            Study(study.path)
        assert "secret" not in str(raised.value)
    sheet.write_text(text.replace('journal = ""', ""), "utf8")
    assert Study(study.path).sheet.journal == ""


def test_adding_is_idempotent(study: Study, slide: Path) -> None:
    first = study.add([IncomingSlide(slide, patient="DUPONT")])
    before = (study.path / "cohort.csv").read_bytes()
    assert study.add([IncomingSlide(slide, patient="DUPONT")]) == first
    assert (study.path / "cohort.csv").read_bytes() == before
    assert len(study.cohort) == 1


def test_the_same_file_under_two_names_is_one_slide(study: Study, slide: Path) -> None:
    copy = slide.with_name("another name.svs")
    shutil.copy(slide, copy)
    rows = study.add([IncomingSlide(slide), IncomingSlide(copy)])
    assert rows[0].slide_id == rows[1].slide_id
    assert len(study.cohort) == 1


def test_codes_of_two_studies_cannot_be_linked(study: Study, slide: Path, tmp_path: Path) -> None:
    other = Study.create(tmp_path / "other", ontology="breast")
    (one,) = study.add([IncomingSlide(slide, patient="DUPONT")])
    (two,) = other.add([IncomingSlide(slide, patient="DUPONT")])
    assert one.slide_id != two.slide_id
    assert one.patient_id != two.patient_id


def test_two_slides_of_a_patient_share_the_code(study: Study, slide: Path) -> None:
    second = slide.with_name("b.svs")
    second.write_bytes(b"another slide")
    one, two = study.add([IncomingSlide(p, patient="DUPONT", centre="X") for p in (slide, second)])
    assert one.patient_id == two.patient_id
    assert one.centre_id == two.centre_id != one.patient_id
    assert one.slide_id != two.slide_id
    assert all(is_code(c) for c in (one.slide_id, one.patient_id, one.centre_id))


def test_adding_a_moved_slide_again_keeps_what_was_known(study: Study, slide: Path) -> None:
    """The remedy for a moved file must not turn an IHC slide into H&E or lose its patient."""
    (first,) = study.add([IncomingSlide(slide, patient="P", stain="Ki67", mpp=0.25)])
    moved = slide.with_name("moved.svs")
    slide.rename(moved)
    with pytest.raises(MissingFileError, match="pathoai add"):
        study.source_of(first.slide_id)
    assert study.add([IncomingSlide(moved)]) == [first]
    assert study.cohort[first.slide_id] == first
    assert study.source_of(first.slide_id) == moved


def test_a_scale_can_be_stated_later(study: Study, slide: Path) -> None:
    study.add([IncomingSlide(slide)])
    (row,) = study.add([IncomingSlide(slide, mpp=0.25)])
    assert row.mpp == study.cohort[row.slide_id].mpp == 0.25
    assert row.stain == "HE"


def test_a_missing_file_enters_nothing(study: Study, slide: Path) -> None:
    with pytest.raises(MissingFileError, match="slide 2: no such slide file"):
        study.add([IncomingSlide(slide), IncomingSlide(slide.with_name("gone.svs"))])
    assert not (study.path / "cohort.csv").exists()


def test_no_second_key_is_made_for_coded_slides(
    study: Study, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another account the same patient would get a second code: a leak nobody could see."""
    study.add([IncomingSlide(slide, patient="DUPONT")])
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "another account"))
    with pytest.raises(StudyError, match=r"key is not here.*PATHOAI_VAULT"):
        study.add([IncomingSlide(slide, patient="DUPONT")])
    assert len(study.cohort) == 1


def test_the_key_never_lies_inside_the_study(
    study: Study, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHOAI_VAULT", str(study.path / "vault"))
    with pytest.raises(StudyError, match=r"outside the study.*PATHOAI_VAULT"):
        study.add([IncomingSlide(slide)])
    assert not (study.path / "vault").exists()


def test_no_name_and_no_path_is_anywhere_in_the_study(
    study: Study, generated: tuple[Path, SlideTruth], monkeypatch: pytest.MonkeyPatch, vault: Path
) -> None:
    """After all that the core writes: every byte of every file, and every file's name."""
    from pathoai.cli.main import main

    slide = generated[0]
    words = ["--patient", "Marguerite QUENEAU 1951-03-08"]
    assert main(["add", str(study.path), str(slide), *words]) == 0
    assert main(["tile", str(study.path), "--mpp", "2", "--device", "cpu"]) == 0
    secrets = [slide.stem, slide.parent.name, "DUPONT", "Jeanne", "Marguerite", "QUENEAU", "1951"]
    key = (vault / study.sheet.uuid / "key").read_text()
    files = [f for f in study.path.rglob("*") if f.is_file()]
    assert len(files) > 10
    for file in files:
        content = file.read_bytes()
        for secret in [*secrets, key, str(slide.parent)]:
            assert secret.encode() not in content, f"{secret} in {file.name}"
            assert secret not in str(file.relative_to(study.path))
    # The link back exists, in the vault alone.
    assert slide.name in (vault / study.sheet.uuid / "sources.json").read_text()


def test_every_derived_copy_of_a_slide_is_known(study: Study) -> None:
    assert study.derived_copies("A") == []
    study.store_path("A").mkdir(parents=True)
    objects = study.objects_path("A", "prediction/nuclei")
    objects.parent.mkdir(parents=True)
    objects.touch()
    figures = study.figures_path("A")
    figures.mkdir(parents=True)
    study.store_path("B").mkdir(parents=True)
    left = study.store_path("A").with_name(".A.prediction.nuclei.objects")
    left.mkdir()
    assert set(study.derived_copies("A")) == {study.store_path("A"), objects.parent, figures, left}


def test_a_slide_has_one_place_in_its_study(study: Study) -> None:
    place = study.place("A")
    label = "prediction/nuclei"
    assert place.store_path == study.store_path("A")
    assert place.objects_path(label) == study.objects_path("A", label)
    assert place.report_path(label) == study.report_path("A", label)
    assert place.seal_path(label).parent == place.objects_path(label).parent
    assert place.ontology == study.ontology
    for made in (place.store_path, place.objects_path(label), place.no_tissue_path):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
    gone = study.derived_copies("A")
    assert {place.store_path, place.objects_folder, place.no_tissue_path} <= set(gone)
