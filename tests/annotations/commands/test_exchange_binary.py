"""``pathoai annotations import|export`` of the binary formats, as a user has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shapely import box

from pathoai.cli.main import main
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
LOSSLESS = [".ann.dcm", ".parquet"]
RASTERS = [".seg.dcm", ".ome.zarr"]


@pytest.fixture
def filled(tiled: Study, slide_id: str, draw: Draw) -> Study:
    """The tiled study with two squares of one size."""
    squares = [box(100, 20, 164, 84), box(2000, 40, 2064, 104)]
    with Journal.open(tiled) as journal:
        journal.propose(
            draw(f"{i}", slide_id=slide_id, geometry=square) for i, square in enumerate(squares)
        )
    return tiled


def _run(study: Study, action: str, *words: object) -> int:
    return main(["annotations", action, str(study.path), *(str(word) for word in words)])


@pytest.mark.parametrize("ending", [*LOSSLESS, *RASTERS, ".h5"])
def test_what_leaves_comes_back(
    filled: Study, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"out{ending}"
    assert _run(filled, "export", path, "--report", tmp_path / "r.json") == 0
    assert "2 annotations written" in capsys.readouterr().out
    lost = {loss["what"] for loss in json.loads((tmp_path / "r.json").read_text())["lost"]}
    assert ("identity" in lost) == (ending == ".seg.dcm")
    assert bool(lost) == (ending not in LOSSLESS and ending != ".ome.zarr")
    assert _run(filled, "import", path, "--author", "R7") == 0
    new = 2 if ending == ".seg.dcm" else 0
    assert f"2 annotations read, {new} new" in capsys.readouterr().out
    with Journal.open(filled) as journal:
        (slide,) = (row.slide_id for row in filled.cohort)
        found = journal.annotations(slide)
    assert {a.geometry.bounds for a in found} == {(100, 20, 164, 84), (2000, 40, 2064, 104)}


def test_outlines_that_a_raster_cut_are_named_and_left_out_where_the_user_says_so(
    filled: Study, slide_id: str, draw: Draw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = draw("0", slide_id=slide_id).id
    above = draw("above", slide_id=slide_id, geometry=box(110, 30, 130, 50))
    with Journal.open(filled) as journal:
        journal.propose([above])
        before = journal.annotations(slide_id)
    path = tmp_path / "out.ome.zarr"
    assert _run(filled, "export", path) == 0
    assert _run(filled, "import", path) == 1
    (error,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
    assert "FILE: an annotation of that id is known with another content; found 1 of 3, " in error
    assert f"the first {cut}, dcis" in error
    assert "say --repair" in error
    assert _run(filled, "import", path, "--repair") == 0
    said = capsys.readouterr().out
    assert "2 annotations read, 0 new" in said
    assert f"knows with another content, left out, 1 times (e.g. {cut})" in said
    with Journal.open(filled) as journal:
        assert journal.annotations(slide_id) == before


@pytest.mark.parametrize("ending", RASTERS)
def test_the_user_chooses_the_scale_of_a_raster(
    filled: Study, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(filled, "export", tmp_path / f"out{ending}", "--mpp", "1.0") == 0
    assert "pixels of 1 µm" in capsys.readouterr().out
    assert _run(filled, "export", tmp_path / f"no{ending}", "--mpp", "100") == 1
    assert "implausible scale" in capsys.readouterr().err


def test_a_dicom_name_alone_does_not_say_which_format(
    filled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(filled, "export", tmp_path / "out.dcm") == 1
    assert "which format?" in capsys.readouterr().err
    assert _run(filled, "export", tmp_path / "out.dcm", "--format", "dicom-seg") == 0
    capsys.readouterr()
    assert _run(filled, "import", tmp_path / "out.dcm") == 0
    assert "2 annotations read" in capsys.readouterr().out


def test_a_source_that_is_no_dicom_slide_is_refused(
    filled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "DOE_Jane.dcm").write_bytes(b"no pixels")
    words = ["--source", tmp_path / "DOE_Jane.dcm"]
    assert _run(filled, "export", tmp_path / "out.ann.dcm", *words) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error" in x]
    assert "--source is no DICOM slide" in line
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize(
    ("action", "name", "words"),
    [
        ("export", "a.geojson", ["--mpp", "0.5"]),
        ("export", "a.parquet", ["--source", "a.dcm"]),
        ("import", "a.parquet", ["--source", "a.dcm"]),
        ("import", "a.ann.dcm", ["--class-column", "kind"]),
    ],
)
def test_words_that_a_format_would_not_heed_are_refused(
    filled: Study,
    tmp_path: Path,
    action: str,
    name: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if action == "import":
        assert _run(filled, "export", tmp_path / name) == 0
    assert _run(filled, action, tmp_path / name, *words) == 1
    assert f"{words[0]}: this format has no use for it" in capsys.readouterr().err
