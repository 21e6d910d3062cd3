"""Twelve identifiers planted in every way in: none is in anything that comes out.

The vault alone may hold them: its table says which file a code is. All else is looked through:
study, copies, packages, exports, sheets, what was printed, and the folder for temporary files.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import tomli_w
import torch

from pathoai.byte_search.words import Words
from pathoai.cli.main import main
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.ontology import load_ontology
from pathoai.study.study import Study
from pathoai.testing.canaries import CANARIES, canaries_in
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.journal.journal import Journal
from tests.flow.planted import (
    BLOCK,
    DOCTOR,
    MAIL,
    NAME,
    NIR,
    NUMBER,
    PLACE,
    planted_outlines,
    planted_slides,
    planted_svs,
    planted_table,
)

pytestmark = pytest.mark.long
_TODAY = date.today().isoformat()
_WHO = ("--approved-by", "DPO1", "--role", "officer", "--opposition-date", _TODAY)
_CRITERIA = ("--individualisation", "codes", "--correlation", "codes", "--inference", "outlines")
_SHEET = {
    "purpose": "Outlines of tumours",
    "categories": "slides",
    "recipients": "researchers",
    "rights": "by post",
    "dpo_contact": "1 Main Street",
    "retention_until": "2040-01-01",
    "specialty": "pathology",
    "study_type": "retrospective",
    "responsible": "the hospital",
    "legal_basis": "public interest",
    "year": "2026",
}
_IN_FRENCH = ("title", "purpose", "categories", "recipients", "rights", "specialty", "study_type")


@dataclass(frozen=True)
class Hospital:
    """Where files come from, and where all goes that is made of them.

    Args:
        source: Of the hospital; nothing is written here.
        made: Everything else but the vault, temporary files too.
        capture: What is printed.
    """

    source: Path
    made: Path
    capture: pytest.CaptureFixture[str]

    @property
    def study(self) -> Path:
        return self.made / "study"

    def run(self, *words: object, fails: bool = False) -> str:
        """One command; what it prints is clean, and what it said."""
        exit_code = main([str(word) for word in words])
        printed = "".join(self.capture.readouterr())
        assert exit_code == (1 if fails else 0), printed
        found = Words(CANARIES).found_in(printed.encode(), ends=True)
        assert not found, f"{words[0]} printed {[CANARIES[n] for n in found]}: {printed}"
        return printed


@pytest.fixture
def hospital(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Hospital:
    made = tmp_path / "out"
    (made / "temporary").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made / "temporary"))
    monkeypatch.setenv("TMPDIR", str(made / "temporary"))
    return Hospital(tmp_path / "in", made, capsys)


def _model(folder: Path) -> Path:
    torch.manual_seed(3)
    arguments, ontology = {"width": 2, "depth": 1}, load_ontology("breast")
    classes = ("background", ontology.classes[1].key)
    described = ModelBundle(
        "tiny", "unet", arguments, "breast", ontology.version, classes, TileSpec(64, 0.5)
    )
    save_bundle(folder, described, build_network("unet", classes=2, arguments=arguments))
    return folder


def test_none_of_them_comes_out(hospital: Hospital, tmp_path: Path) -> None:
    slides = planted_slides(hospital.source)
    planted_table(hospital.source / f"{PLACE}.csv", slides)
    planted_outlines(hospital.source / f"{NAME}.geojson")
    planted = {found.rsplit(": ", 1)[1] for found in canaries_in(hospital.source)}
    assert planted == set(CANARIES)  # the search finds each of them where it was planted
    _to_predictions(hospital, slides, _model(tmp_path / "tiny"))
    _to_sign_off(hospital)
    _out_of_the_study(hospital)
    assert len([p for p in hospital.made.rglob("*") if p.is_file()]) > 200
    assert canaries_in(hospital.made) == []
    _out_of_the_person(hospital)
    assert canaries_in(hospital.made) == []


def _to_predictions(hospital: Hospital, slides: list[Path], model: Path) -> None:
    run, study = hospital.run, hospital.study
    run("init", study, "--ontology", "breast", "--title", "Outlines")
    run("add", study, hospital.source / f"{PLACE}.csv")
    run("deidentify", *slides, hospital.made / "copies", "--study", study)
    run("tile", study, "--device", "cpu", "--tissue", "whole")
    first, *others = (row.slide_id for row in Study(study).cohort)
    run("qc", study, "--device", "cpu", "--slides", first)
    shutil.copytree(model, Study(study).model_path("tiny"))
    run("predict", study, "--model", "tiny", "--device", "cpu", "--slides", first, others[2])
    run("overview", study, "--model", "tiny", "--slides", first)
    run("heatmap", study, first, "--map", "prediction/tiny", "--width-px", "400")
    run("store", "export", study, hospital.made / "exported", "--to", "tiff", "--slides", first)


def _to_sign_off(hospital: Hospital) -> None:
    run, study = hospital.run, hospital.study
    slide_id = next(iter(Study(study).cohort)).slide_id
    outlines = hospital.source / f"{NAME}.geojson"
    report = hospital.made / "import.json"
    run("annotations", "import", study, outlines, "--slide", slide_id, "--report", report)
    run("annotations", "validate", study, "--author", "R1")
    for text in (f"seen with {DOCTOR}", f"of {NAME}", f"number {NUMBER}", f"ask {MAIL}"):
        said = ("--slide", slide_id, "--author", "R1", "--text", text)
        run("annotations", "comment", study, *said, fails=True)
    run("annotations", "comment", study, *said[:-1], "blurred at the left")
    with Journal.open(Study(study)) as journal:
        (kept,) = journal.annotations(slide_id)
        assert dict(kept.measurements) == {"Nucleus: Area µm^2": 3.0}
        journal.sign_off(slide_id, author="R1")
    run("annotations", "log", study)


def _out_of_the_study(hospital: Hospital) -> None:
    run, study, made = hospital.run, hospital.study, hospital.made
    slide_id = next(iter(Study(study).cohort)).slide_id
    for name in ("geojson", "geoparquet", "imagescope-xml", "ome-zarr-labels"):
        out = made / "exported" / name
        run("annotations", "export", study, out, "--slide", slide_id, "--format", name)
    run("package", "build", study, made / "package", *_WHO)
    run("package", "verify", made / "package", "--words", _word_list(hospital))
    _tell_the_public(study)
    leaves = ("--exported-by", "DM1", "--opposition-date", _TODAY)
    for tier in ("controlled", "open"):
        run("package", "build", study, made / tier, "--tier", tier, *leaves)
        run("package", "approve", made / tier, *_WHO[:4], *_CRITERIA)
    contact = ("--institution", "A hospital", "--contact", "office" + "@" + "hospital.example")
    run("package", "publish", made / "open", made / "deposit", *contact)
    run("package", "open", made / "package", made / "opened")
    run("study", "sheet", study, made / "sheet")
    run("study", "portal", study, made / "portal")


def _tell_the_public(study: Path) -> None:
    sheet = study / "study.toml"
    content = tomllib.loads(sheet.read_text("utf8"))
    french = {f"{key}_fr": "de même" for key in _IN_FRENCH}
    content["study"] |= _SHEET | french | {"publisher": "University Hospital"}
    sheet.write_text(tomli_w.dumps(content), "utf8")


def _word_list(hospital: Hospital) -> Path:
    path = hospital.source / "words.txt"
    path.write_text("\n".join(CANARIES))
    return path


def _out_of_the_person(hospital: Hospital) -> None:
    objects = hospital.source / "oppositions.txt"
    objects.write_text(f"{NAME}\n")
    hospital.run("oppose", hospital.study, "--list", objects)
    assert not len(Study(hospital.study).cohort)


def test_none_of_them_is_told_when_something_fails(hospital: Hospital, tmp_path: Path) -> None:
    """Files that are damaged, absent or no slides, and tables with columns and cells amiss."""
    run, study, home = hospital.run, hospital.study, hospital.source / PLACE
    whole = planted_svs(home / f"{NAME}.svs")
    damaged, gone = home / f"{NAME} {NUMBER}.svs", home / f"{NAME} gone.svs"
    damaged.write_bytes(whole.read_bytes()[:3000])
    other = home / f"{NIR}.txt"
    other.write_text(" ".join(CANARIES))
    run("init", study, "--ontology", "breast", "--title", "Outlines")
    run("add", study, whole, "--patient", NAME)
    (row,) = Study(study).cohort
    for bad in (damaged, gone, other):
        run("add", study, whole, bad, "--patient", NAME, fails=True)
        run("info", bad, fails=True)
        run("deidentify", bad, hospital.made / "copies", fails=True)
        run("annotations", "import", study, bad, "--slide", row.slide_id, fails=True)
        outlines = bad.with_suffix(".geojson")
        run("annotations", "import", study, outlines, "--slide", row.slide_id, fails=True)
        run("cohort", "import", study, bad, fails=True)
    for table in (
        f"slide,{NAME}\n{whole},1\n",
        f"slide,patient,mpp\n{whole},{NAME},{NUMBER}\n",
        f"slide,patient,grade\n{whole},{NAME},{NAME}\n",
        f"slide,patient,scanner\n{whole},{NAME},{MAIL}\n",
        f"slide,patient,stain\n{whole},{NAME},{DOCTOR}:\n",
        f"slide,patient,block\n{gone},{NAME},{BLOCK}\n{damaged},{NAME},{BLOCK}\n",
    ):
        path = home / f"{PLACE}.csv"
        path.write_text(table)
        run("add", study, path, fails=True)
    path.write_text(f"slide_id,patient\n{NAME},{NAME}\n")
    run("cohort", "import", study, path, fails=True)
    run("oppose", study, NAME, fails=True)
    whole.write_bytes(whole.read_bytes()[:5000])
    run("tile", study, "--device", "cpu", fails=True)
    run("deidentify", row.slide_id, hospital.made / "copies", "--study", study, fails=True)
    assert canaries_in(hospital.made) == []
