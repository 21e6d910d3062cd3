"""``pathoai add``: what can be opened enters, in whatever form; what cannot is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.store.slide_store import is_complete
from pathoai.study.pairs import pairs_of
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideTruth


def test_a_bad_slide_does_not_keep_the_others_out(
    study: Study,
    generated: tuple[Path, SlideTruth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.svs"
    bad.write_bytes(generated[0].read_bytes()[:5000])
    assert main(["add", str(study.path), str(bad), str(generated[0])]) == 1
    found = capsys.readouterr()
    (row,) = study.cohort
    assert found.out.startswith(f"{row.slide_id}: ")
    assert "slide 1: " in found.err
    assert "bad.svs" not in found.err
    assert "1 of 2 slides were not entered" in found.err.splitlines()[-1]
    assert "DUPONT" not in found.err + found.out


def test_a_pair_is_stated_as_it_enters(
    study: Study,
    generated: tuple[Path, SlideTruth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By options, or by a table whose own words come first."""
    twin, third = tmp_path / "twin.svs", tmp_path / "third.svs"
    for number, path in enumerate((twin, third)):
        path.write_bytes(generated[0].read_bytes() + bytes([number]))
    add = ["add", str(study.path)]
    assert main([*add, str(generated[0]), "--pair", "p1"]) == 0
    words = ["--stain", "IHC", "--marker", "AE1AE3", "--pair", "p1"]
    assert main([*add, str(twin), *words]) == 0
    assert "IHC (AE1AE3), pair p1" in capsys.readouterr().out
    table = tmp_path / "more.csv"
    table.write_text("slide,stain,marker\nthird.svs,IHC,PHH3\n")
    assert main([*add, str(table), "--pair", "p1", "--stain", "HE"]) == 0
    found = [(p.fixed.stain, p.moving.stain, p.marker) for p in pairs_of(study.cohort)]
    assert found == [("HE", "IHC", "AE1AE3"), ("HE", "IHC", "PHH3")]
    before = (study.path / "cohort.csv").read_text()
    assert main([*add, str(third), "--marker", "PHH3", "--stain", "HE"]) == 1
    assert "H&E shows no marker" in capsys.readouterr().err
    assert (study.path / "cohort.csv").read_text() == before


def test_stain_and_marker_are_understood_as_laboratories_write_them(
    study: Study, generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    twin = tmp_path / "twin.svs"
    twin.write_bytes(generated[0].read_bytes() + b"1")
    table = tmp_path / "cohort.csv"
    table.write_text(f"slide,stain,marker,pair\n{generated[0]},H & E,,1\ntwin.svs,IHC,AE1/AE3,1\n")
    assert main(["add", str(study.path), str(table)]) == 0
    (pair,) = pairs_of(study.cohort)
    assert (pair.fixed.stain, pair.marker) == ("HE", "AE1/AE3")


def test_a_folder_of_dicom_files_is_one_slide(
    study: Study, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its code is that of its content: the same files elsewhere are the same slide."""
    folder = real_data / "wsi" / "CMU-1-Small-Region-dicom"
    assert main(["add", str(study.path), str(folder)]) == 0
    (row,) = study.cohort
    copy = study.path.parent / "elsewhere"
    copy.mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        (copy / f"{number}.dcm").write_bytes(file.read_bytes())
    assert main(["add", str(study.path), str(copy)]) == 0
    assert [r.slide_id for r in study.cohort] == [row.slide_id]
    assert main(["tile", str(study.path)]) == 0
    assert "tiles copied" in capsys.readouterr().out
    assert is_complete(study.store_path(row.slide_id))


def test_add_gives_one_code_to_every_spelling_and_takes_blanks_for_nothing(
    tmp_path: Path, generated: tuple[Path, SlideTruth], two_level_slide: tuple[Path, SlideTruth]
) -> None:
    study = Study.create(tmp_path / "study", ontology="breast")
    slides = generated[0], two_level_slide[0]
    for slide, name in zip(slides, ("\u00c9lo\u00efse", " E\u0301loi\u0308se "), strict=True):
        assert main(["add", str(study.path), str(slide), "--patient", name]) == 0
    before = list(study.cohort)
    assert len({row.patient_id for row in before} - {""}) == 1
    blanks = ("--patient", "   ", "--centre", "\t", "--pair", " ")
    assert main(["add", str(study.path), *map(str, slides), *blanks]) == 0
    assert list(study.cohort) == before
