"""``pathoai heatmap``: what it writes where, and what it refuses in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.provenance import sha256_of_file
from pathoai.study.cohort import Cohort, CohortRow
from tests.pathoai.heatmap.mapped_study import GRADE, MODEL, NUCLEI, Mapped
from tests.pathoai.store.made_stores import SLIDE_ID
from tests.read_only_place import contents, read_only

Output = pytest.CaptureFixture[str]


def _run(mapped: Mapped, *words: object, slide: str = SLIDE_ID) -> int:
    quick = ["--width-px", 700]
    return main([str(word) for word in ("heatmap", mapped.study.path, slide, *quick, *words)])


def _message(capsys: Output) -> str:
    """The one line of error, without progress bars."""
    text = capsys.readouterr().err
    (line,) = (part for part in text.splitlines() if part.startswith("pathoai: "))
    return line


def test_a_figure_lies_in_the_study_where_an_erasure_finds_it(
    mapped: Mapped, capsys: Output
) -> None:
    study = mapped.study
    assert _run(mapped, "--map", MODEL, "--class", "stroma", slide=SLIDE_ID[:3].lower()) == 0
    path = study.figures_path(SLIDE_ID) / "prediction.regions-stroma.png"
    assert path.exists()
    assert capsys.readouterr().out == f"{path.name}: {MODEL}, probability\n"
    assert path.parent in study.derived_copies(SLIDE_ID)
    record = max(study.provenance_path.glob("heatmap-*.json"), key=lambda p: p.stat().st_mtime_ns)
    found = json.loads(record.read_text("utf8"))
    assert found["inputs"][f"store/{SLIDE_ID}"] == mapped.store.identity
    assert found["inputs"]["model"]
    assert str(study.path) not in record.read_text("utf8")


def test_a_figure_of_a_study_that_may_only_be_read_lies_elsewhere(
    mapped: Mapped, tmp_path: Path, capsys: Output
) -> None:
    before, out = contents(mapped.study.path), tmp_path / "new" / "a.png"
    with read_only(mapped.study.path):
        assert _run(mapped, "--map", "tissue", "--force") == 1
        assert "the study may only be read here" in (error := capsys.readouterr().err)
        assert "Remedy: say --out" in error
        assert _run(mapped, "--map", "tissue", "--out", out) == 0
    assert contents(mapped.study.path) == before
    figure, record = sorted(out.parent.iterdir())
    assert figure == out
    assert json.loads(record.read_text("utf8"))["outputs"] == {
        f"figures/{SLIDE_ID}": sha256_of_file(figure)
    }


def test_what_lies_there_is_kept_unless_force_is_said(
    mapped: Mapped, tmp_path: Path, capsys: Output
) -> None:
    out = tmp_path / "new" / "a.PDF"
    assert _run(mapped, "--map", "tissue", "--out", out) == 0
    out.write_text("precious")
    capsys.readouterr()
    assert _run(mapped, "--map", "tissue", "--out", out) == 1
    line = _message(capsys)
    assert "something lies where the figure should go" in line
    assert "--force" in line
    assert out.read_text() == "precious"
    assert _run(mapped, "--map", "tissue", "--out", out, "--force") == 0
    assert out.read_bytes().startswith(b"%PDF-")
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_without_a_map_the_only_one_is_taken(mapped: Mapped, capsys: Output) -> None:
    path = mapped.study.objects_path(SLIDE_ID, GRADE)
    labels = mapped.store.path / "labels" / "zarr.json"
    kept, table = labels.read_text(), path.read_bytes()
    try:
        path.unlink()
        labels.write_text(re.sub(r'"prediction\.nuclei",?', "", kept))
        assert _run(mapped, "--force") == 0
        assert f"{MODEL}, classes" in capsys.readouterr().out
        labels.write_text(re.sub(r'"prediction\.\w+",?', "", kept))
        assert _run(mapped) == 1
        assert "no prediction yet; allowed: tissue. Remedy" in _message(capsys)
    finally:
        labels.write_text(kept)
        path.write_bytes(table)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], rf"which map\? .*allowed: {NUCLEI}, {MODEL}, tissue, {GRADE}. Remedy"),
        (["--map", "prediction/regoins"], rf"no such finished map.*did you mean '{MODEL}'"),
        (["--map", MODEL, "--class", "strome"], "did you mean 'stroma'"),
        (["--map", MODEL, "--region", "1,2,3"], "malformed region"),
        (["--map", MODEL, "--region", "0,0,-5,5"], "a positive size"),
        (["--map", MODEL, "--region", "0,0,1e9,5"], "reaches past the slide"),
        (["--map", MODEL, "--show", "shadow"], "cannot be shown in that way.*allowed: classes"),
        (["--map", MODEL, "--opacity", "2"], "allowed: 0 to 1"),
        (["--map", MODEL, "--out", "a.svg"], r"found \.svg; allowed: \.png, \.pdf"),
        (["--map", MODEL, "--show", "density"], "no objects of that label"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    mapped: Mapped, words: list[str], expected: str, capsys: Output
) -> None:
    assert _run(mapped, *words) == 1
    assert re.search(expected, _message(capsys))


def test_slides_are_named_by_code_or_by_its_start(mapped: Mapped, capsys: Output) -> None:
    study, kept = mapped.study, mapped.study.cohort
    other = SLIDE_ID[:15] + "Z"
    try:
        Cohort([*kept, CohortRow(other)]).write(study.path / "cohort.csv")
        assert _run(mapped, slide=SLIDE_ID[:8]) == 1
        assert f"several slides begin so; found {SLIDE_ID[:8]}; allowed" in _message(capsys)
        assert _run(mapped, slide="QQQQ") == 1
        assert "the study has no such slide; found a text of 4 characters" in _message(capsys)
        assert _run(mapped, slide="") == 1
        assert "no such slide" in _message(capsys)
        assert _run(mapped, slide=other) == 1
        assert "there is no store for this slide" in _message(capsys)
    finally:
        kept.write(study.path / "cohort.csv")


def test_an_unfinished_store_is_refused(mapped: Mapped, capsys: Output) -> None:
    metadata = mapped.store.path / "zarr.json"
    kept = metadata.read_text("utf8")
    try:
        metadata.write_text(kept.replace('"complete": true', '"complete": false'), "utf8")
        assert _run(mapped, "--map", MODEL) == 1
        assert "the store is not complete" in _message(capsys)
    finally:
        metadata.write_text(kept, "utf8")


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(
    mapped: Mapped, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file" / "a.png", Path("/proc/a.png")):
        for force in ([], ["--force"]):
            assert _run(mapped, "--map", "tissue", "--out", out, *force) == 1
            line = _message(capsys)
            assert "the figure cannot be written" in line
            assert "Remedy" in line
            assert str(tmp_path) not in line
