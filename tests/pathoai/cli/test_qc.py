"""``pathoai qc``: a sheet and a line for each slide, and a table of the study."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from pathoai.cli.main import main
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, generate_slide


@pytest.fixture
def tiled(study: Study, generated: tuple[Path, SlideTruth]) -> Study:
    """A study of one slide, tiled."""
    study.add([IncomingSlide(generated[0])])
    assert main(["tile", str(study.path), "--mpp", "1"]) == 0
    return study


def _table(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((study.quality_path / "summary.csv").read_text("utf8"))))


def test_a_slide_gets_its_line_its_sheet_and_its_record(
    tiled: Study, generated: tuple[Path, SlideTruth], capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = tiled.cohort
    capsys.readouterr()
    assert main(["qc", str(tiled.path), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert f"{row.slide_id}: 0." in out
    assert "mm² tissue, no artefact found" in out
    sheet = tiled.quality_sheet_path(row.slide_id)
    with Image.open(sheet) as picture:
        assert min(picture.size) > 800
    (line,) = _table(tiled)
    assert line["slide_id"] == row.slide_id
    expected_mm2 = generated[1].tissue.area * 0.25 / 1e6
    assert float(line["tissue_mm2"]) == pytest.approx(expected_mm2, rel=0.1)
    (record,) = tiled.provenance_path.glob("qc-*.json")
    content = json.loads(record.read_text("utf8"))
    assert set(content["inputs"]) == {f"store/{row.slide_id}"}
    assert set(content["outputs"]) == {f"quality/{row.slide_id}"}
    # The slide's file bears a patient's name: nothing that is written does.
    for file in (sheet, record, tiled.quality_path / "summary.csv"):
        assert b"DUPONT" not in file.read_bytes()


def test_erasure_reaches_the_sheet(tiled: Study) -> None:
    (row,) = tiled.cohort
    assert main(["qc", str(tiled.path), "--device", "cpu"]) == 0
    assert tiled.quality_sheet_path(row.slide_id) in tiled.derived_copies(row.slide_id)


def test_a_slide_without_a_store_fails_and_the_others_are_done(
    tiled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (done,) = tiled.cohort
    path = tmp_path / "other.svs"
    generate_slide(path, SlideRecipe(width=600, height=600, mpp=0.5, seed=9))
    (other,) = tiled.add([IncomingSlide(path)])
    assert main(["qc", str(tiled.path), "--device", "cpu"]) == 1
    assert "pathoai tile" in capsys.readouterr().err
    assert [line["slide_id"] for line in _table(tiled)] == [done.slide_id]
    assert not tiled.quality_sheet_path(other.slide_id).exists()


def test_the_table_holds_all_slides_judged_so_far(tiled: Study) -> None:
    (row,) = tiled.cohort
    assert main(["qc", str(tiled.path), "--device", "cpu"]) == 0
    first = _table(tiled)
    assert main(["qc", str(tiled.path), "--slides", row.slide_id, "--device", "cpu"]) == 0
    assert _table(tiled) == first


def test_an_unknown_device_is_refused_before_any_work(
    tiled: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qc", str(tiled.path), "--device", "cuda:99"]) == 1
    assert "Remedy" in capsys.readouterr().err
    assert not tiled.quality_path.exists()
