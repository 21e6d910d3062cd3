"""``pathoai annotations import|export``: other programs' files, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shapely import Point, box
from shapely.geometry import shape

from pathoai.cli.main import main
from pathoai.provenance import sha256_of_file
from pathoai.store.header import StoreHeader
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.journal import Journal
from tests.annotations.conftest import write_store

Draw = Callable[..., Annotation]
Run = Callable[..., str]


@pytest.fixture
def run(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``pathoai annotations ACTION STUDY …`` on the study, and give what it printed."""

    def made(action: str, *words: object) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study.path), *(str(w) for w in words)]) == 0
        return capsys.readouterr().out

    return made


@pytest.fixture
def fail(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run it, and give the one line of its error."""

    def made(action: str, *words: object) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study.path), *(str(w) for w in words)]) == 1
        (line,) = [x for x in capsys.readouterr().err.splitlines() if "pathoai: error: " in x]
        return line

    return made


@pytest.fixture
def filled(tiled: Study, slide_id: str, draw: Draw) -> Study:
    """The tiled study with three proposals of two authors."""
    with Journal.open(tiled) as journal:
        journal.propose(
            [
                draw("a", slide_id=slide_id, geometry=box(10, 10, 30, 30)),
                draw("b", slide_id=slide_id, geometry=box(2000, 10, 2100, 60), author="R2"),
                draw("c", slide_id=slide_id, geometry=Point(50, 50), label="mitosis"),
            ]
        )
    return tiled


def _qupath(path: Path, name: str, *corners: tuple[float, float]) -> Path:
    ring = [*corners, corners[0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}, "name": "mine"},
    }
    path.write_text(json.dumps(feature))
    return path


SQUARE = ((0, 0), (50, 0), (50, 50), (0, 50))


def test_every_format_is_listed_with_what_it_cannot_carry(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["annotations", "formats"]) == 0
    said = capsys.readouterr().out.splitlines()
    place = said.index("geojson: QuPath GeoJSON (.geojson, .geojson.gz, .json), in and out")
    assert said[place + 1] == "    carries everything"
    place = said.index("imagescope-xml: Aperio ImageScope XML (.xml), in and out")
    assert said[place + 1] == "    cannot carry lines, points"
    assert "hovernet-json: HoVer-Net or CellViT JSON (.json), in" in said


@pytest.mark.parametrize(
    ("name", "file"), [("geojson", "a.geojson"), ("imagescope-xml", "a.xml"), ("asap-xml", "a.xml")]
)
def test_an_export_is_imported_again_as_nothing_new(
    filled: Study, run: Run, tmp_path: Path, name: str, file: str
) -> None:
    out = tmp_path / file
    said = run("export", out, "--format", name)
    assert f"{2 if name == 'imagescope-xml' else 3} annotations written" in said
    assert "0 new, all proposals" in run("import", out)


def test_only_what_is_asked_for_is_exported(filled: Study, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.geojson"
    assert "1 annotations written" in run("export", out, "--author", "R2")
    assert "2 annotations written" in run("export", out, "--region", 0, 0, 100, 100)
    assert "0 annotations written" in run("export", out, "--region", 0, 0, 9, 9, "--author", "R1")
    assert "0 annotations written" in run("export", out, "--status", "validated")


def test_what_an_export_loses_is_printed_or_written_as_json(
    filled: Study, run: Run, tmp_path: Path
) -> None:
    said = run("export", tmp_path / "a.xml", "--format", "imagescope-xml").splitlines()
    assert said[1].startswith("not carried: points, 1 times (e.g. ")
    report = tmp_path / "report.json"
    words = ("--format", "imagescope-xml", "--report", report)
    assert len(run("export", tmp_path / "a.xml", *words).splitlines()) == 1
    (lost,) = json.loads(report.read_text())["lost"]
    assert (lost["what"], lost["count"]) == ("points", 1)


def test_foreign_classes_are_named_by_the_user(run: Run, fail: Run, tmp_path: Path) -> None:
    path = _qupath(tmp_path / "a.geojson", "Tumor: a=b", *SQUARE)
    assert "feature 1: unknown class; found 'Tumor: a=b'" in fail("import", path)
    said = run("import", path, "--class", "Tumor: a=b=dcis", "--class", "Stroma=stroma")
    assert "1 annotations read, 1 new" in said
    assert "not carried: QuPath's name, 1 times (e.g. FILE feature 1)" in said
    for bad in ("dcis", "=dcis", "Tumor="):
        assert "--class: not a pair of classes" in fail("import", path, "--class", bad)
    assert "did you mean 'dcis'" in fail("import", path, "--class", "Tumor=dciss")


def test_a_bad_outline_is_named_or_repaired_and_told(
    tiled: Study, run: Run, fail: Run, tmp_path: Path
) -> None:
    path = _qupath(tmp_path / "a.geojson", "dcis", (0, 0), (50, 50), (50, 0), (0, 50))
    assert "FILE feature 1: the outline crosses itself" in fail("import", path)
    said = run("import", path, "--repair")
    assert "repaired: an outline that crossed itself, 1 times (e.g. FILE feature 1)" in said
    path = _qupath(path, "dcis", (4000, 0), (5000, 0), (5000, 50))
    assert "feature 1: an outline lies off the slide" in fail("import", path)
    assert "cut at its border" in run("import", path, "--repair")
    with Journal.open(tiled) as journal:
        assert max(a.geometry.bounds[2] for a in journal.annotations()) == 4200


def test_coordinates_of_another_scale_are_placed(tiled: Study, run: Run, tmp_path: Path) -> None:
    run("import", _qupath(tmp_path / "a.geojson", "dcis", *SQUARE), "--mpp", 0.5)
    with Journal.open(tiled) as journal:
        (one,) = journal.annotations()
    assert one.geometry.equals(box(0, 0, 100, 100))


def test_a_slide_without_bounds_cannot_be_counted_from_them(
    filled: Study, fail: Run, tmp_path: Path
) -> None:
    words = (tmp_path / "a.geojson", "--origin", "bounds")
    assert "the slide states no scanned part" in fail("export", *words)
    assert not words[0].exists()
    assert "no scanned part" in fail("import", _qupath(words[0], "dcis", *SQUARE), *words[1:])


def test_a_slide_scanned_in_part_goes_to_qupath_and_back(
    scanned_in_part: Study, slide_id: str, draw: Draw, run: Run, tmp_path: Path
) -> None:
    drawn = draw("a", slide_id=slide_id, geometry=box(1010, 30, 1050, 60))
    with Journal.open(scanned_in_part) as journal:
        journal.propose([drawn])
    out = tmp_path / "a.geojson"
    assert "needs --origin bounds" in run("export", out)
    assert "--origin" not in run("export", out, "--origin", "bounds")
    written = json.loads(out.read_text())
    (feature,) = written["features"]
    assert shape(feature["geometry"]).equals(box(10, 10, 50, 40))
    assert "0 new" in run("import", out)
    # As QuPath writes it again: without our word about the corner.
    del written["pathoai"]
    out.write_text(json.dumps(written))
    assert "0 new" in run("import", out, "--origin", "bounds")


def test_a_name_of_several_formats_is_asked_about(fail: Run, tmp_path: Path) -> None:
    error = fail("export", tmp_path / "a.xml")
    assert "which format?; found .xml. Remedy: say --format, one of asap-xml, imagescope" in error
    assert "no such format; found asap" in fail("export", tmp_path / "a.xml", "--format", "asap")
    words = (tmp_path / "a.json", "--format", "hovernet-json")
    assert "this format cannot be written; found hovernet-json" in fail("export", *words)
    (tmp_path / "b.xml").write_text("<html/>")
    assert "which format?" in fail("import", tmp_path / "b.xml")


def test_all_slides_go_into_one_file_where_the_format_holds_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], draw: Draw
) -> None:
    study, out = _cervix(tmp_path, monkeypatch), tmp_path / "all.csv"
    one, two, empty = (row.slide_id for row in study.cohort)
    words = ["annotations", "export", str(study.path), str(out), "--format", "tissuenet"]
    for slide_id in (one, two):
        with Journal.open(study) as journal:
            journal.propose([draw(slide_id=slide_id, label="lsil", geometry=box(0, 0, 9, 9))])
    write_store(study, StoreHeader(one, 4200, 120, 0.25, 0.25, 0.5))
    assert main(words) == 1
    assert f"{two}: the slide's size and scale are not known" in capsys.readouterr().err
    assert not out.exists()
    write_store(study, StoreHeader(two, 4200, 240, 0.25, 0.25, 0.5))
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "3 slides: 2 annotations written"
    assert "no squares of 300 µm" in said[-1]
    rows = [line.split(",")[1] for line in out.read_text().splitlines()]
    assert rows == ["filename", one, two]
    assert empty not in out.read_text()
    for slide_id in (one, two):
        again = ["annotations", "import", str(study.path), str(out), "--slide", slide_id]
        assert main(again) == 0
        assert "1 annotations read, 0 new" in capsys.readouterr().out


def test_what_only_one_slide_can_have_is_refused_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = _cervix(tmp_path, monkeypatch), tmp_path / "all.csv"
    words = ["annotations", "export", str(study.path), str(out), "--format"]
    assert main([*words, "tissuenet", "--known-as", "a.tif"]) == 1
    assert "one name for several slides" in capsys.readouterr().err
    assert main([*words, "points-csv"]) == 1
    assert "which slide?; found 3 slides" in capsys.readouterr().err


def _cervix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    study = Study.create(tmp_path / "cervix", ontology="cervix")
    for name in "abc":
        (tmp_path / f"{name}.svs").write_bytes(name.encode())
    study.add(IncomingSlide(tmp_path / f"{name}.svs") for name in "abc")
    return study


def test_each_exchange_is_recorded_without_a_word_of_the_file(
    tiled: Study, run: Run, tmp_path: Path, slide_id: str
) -> None:
    path = _qupath(tmp_path / "Doe_Jane.geojson", "Jane Doe", *SQUARE)
    run("import", path, "--class", "Jane Doe=dcis", "--known-as", "Doe.svs")
    run("export", tmp_path / "Doe_out.geojson", "--status", "proposed", "--known-as", "Doe.svs")
    records = [json.loads(f.read_text()) for f in tiled.provenance_path.iterdir()]
    found = {record["command"]: record for record in records}
    assert found["annotations import"]["inputs"] == {"file": sha256_of_file(path)}
    assert found["annotations import"]["parameters"]["slides"] == [slide_id]
    assert found["annotations import"]["parameters"]["lost"] == 1
    out = sha256_of_file(tmp_path / "Doe_out.geojson")
    assert found["annotations export"]["outputs"] == {"file": out}
    assert found["annotations export"]["parameters"]["status"] == ["proposed"]
    assert "Doe" not in json.dumps(records)
