"""Whatever goes wrong: exit code, one clear line with its remedy, no traceback, nothing lost."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pathoai.cli.command import Command
from pathoai.cli.main import main
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, generate_slide

_PROGRAM = [sys.executable, "-c", "from pathoai.cli.main import main; raise SystemExit(main())"]


@pytest.fixture(scope="module")
def small_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide that is tiled in no time."""
    path = tmp_path_factory.mktemp("small") / "small.svs"
    generate_slide(path, SlideRecipe(width=700, height=600, mpp=0.5, seed=2))
    return path


@pytest.fixture
def filled(study: Study, small_slide: Path) -> Study:
    """A study of one good slide."""
    study.add([IncomingSlide(small_slide)])
    return study


def _blank_slide(path: Path) -> Path:
    """A slide of glass alone, which opens like any other."""
    glass = np.full((600, 700, 3), 244, np.uint8)
    tifffile.imwrite(
        path,
        glass,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
    )
    return path


def _messages(text: str) -> list[str]:
    """The lines on standard error, but for progress bars."""
    return [line for line in text.splitlines() if line.strip() and "━" not in line]


def _fails(
    capsys: pytest.CaptureFixture[str], *words: object, remedy: str | None = "Remedy"
) -> str:
    """Run a command that must fail; its one line."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    (line,) = _messages(capsys.readouterr().err)
    assert line.startswith("pathoai: error: ")
    assert "Traceback" not in line
    if remedy is not None:
        assert remedy in line
    return line


_Words = Callable[[Path], list[object]]
_ON_A_STUDY: dict[str, _Words] = {
    "add": lambda study: ["add", study, study / "x.svs"],
    "tile": lambda study: ["tile", study],
    "qc": lambda study: ["qc", study],
    "store": lambda study: ["store", "info", study],
    "predict": lambda study: ["predict", study, "--model", "m"],
    "overview": lambda study: ["overview", study],
    "label": lambda study: ["label", study, "--method", "hematoxylin"],
    "train": lambda study: ["train", study, "--recipe", "breast-nuclei-segmentation"],
    "review": lambda study: ["review", study, "--reader", "R1"],
    "annotations": lambda study: ["annotations", "summary", study],
}


@pytest.mark.parametrize("command", sorted(_ON_A_STUDY))
def test_no_study_and_what_is_none(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _ON_A_STUDY[command]
    assert "no such study" in _fails(capsys, *words(tmp_path / "absent"), remedy="pathoai init")
    assert "not a study" in _fails(capsys, *words(tmp_path), remedy="pathoai init")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["tile", "predict", "overview", "label"])
def test_a_study_without_slides(
    command: str, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    if command == "predict":
        _fails(capsys, *_ON_A_STUDY[command](study.path), remedy="pathoai train")
    else:
        line = _fails(capsys, *_ON_A_STUDY[command](study.path), remedy="pathoai add")
        assert "no slides yet" in line


def test_unknown_ontology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = _fails(capsys, "init", tmp_path / "s", "--ontology", "brest", remedy=None)
    assert "unknown ontology" in line
    assert "allowed: breast, cervix" in line


def test_unknown_class_of_an_ontology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "o.yaml"
    own.write_text(
        "key: o\nversion: '1'\ntitle: O\nclasses:\n"
        "  - {index: 0, key: background, name: B, name_fr: F, colour: '#ffffff'}\n"
        "  - {index: 1, key: tumour, name: T, name_fr: T, colour: '#ff0000', parent: tumor}\n"
    )
    own_first = own.read_text().replace("parent: tumor", "parent: backgroun")
    line = _fails(capsys, "init", tmp_path / "s", "--ontology", own, remedy="did you mean 'tumour'")
    assert "unknown class" in line
    own.write_text(own_first)
    _fails(capsys, "init", tmp_path / "s", "--ontology", own, remedy="did you mean 'background'")


def test_unknown_model_and_recipe(filled: Study, capsys: pytest.CaptureFixture[str]) -> None:
    line = _fails(capsys, "predict", filled.path, "--model", "m", remedy="pathoai train")
    assert "unknown model" in line
    line = _fails(capsys, "train", filled.path, "--recipe", "no-such-recipe", remedy=None)
    assert "no-such-recipe" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mpp", "nan"], "tile mpp"),
        (["--mpp", "99"], "0.05 to 20"),
        (["--tile-size", "0"], "1 pixel or more"),
        (["--overlap", "256"], "0 to 255 pixels"),
        (["--min-tissue", "1.5"], "0 to 1"),
        (["--workers", "0"], "1 or more"),
        (["--device", "gpu"], "auto, cpu"),
        (["--tissue", "h-and-f"], "did you mean 'h-and-e'"),
        (["--slides", "0" * 16], "no such slide"),
    ],
)
def test_impossible_options_of_tile(
    filled: Study, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in _fails(capsys, "tile", filled.path, *words, remedy=None)
    assert not (filled.path / "stores").exists()


@pytest.mark.parametrize("command", ["info", "add"])
def test_files_that_cannot_serve(
    command: str, study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path, real_data: Path
) -> None:
    """Missing, no slide, truncated, no scale or an implausible one: none enters the study."""
    words = ["info"] if command == "info" else ["add", study.path]
    wsi = real_data / "wsi"
    text = tmp_path / "notes.txt"
    text.write_text("no slide")
    cut = tmp_path / "cut.svs"
    cut.write_bytes((wsi / "cmu-1-small-region.svs").read_bytes()[:500_000])
    unscaled = _blank_slide(tmp_path / "unscaled.tiff")
    with tifffile.TiffFile(unscaled, mode="r+") as tiff:
        tiff.pages.first.tags["ResolutionUnit"].overwrite(1)
    for path, message, remedy in (
        (tmp_path / "absent.svs", "no such", None),
        (tmp_path, "no ", None),
        (text, "no reader knows", "Remedy"),
        (cut, "no reader can open", "cut short"),
        (wsi / "tiny" / "unopenable.tiff", "cannot be opened", "Remedy"),
        (unscaled, "does not state its scale", "--mpp"),
        (wsi / "CMU-1-Small-Region.jpeg.tiff", "finer than any slide", "--mpp"),
    ):
        assert message in _fails(capsys, *words, path, remedy=remedy), path.name
    assert not (study.path / "cohort.csv").exists()


def test_info_of_a_slide_with_a_damaged_thumbnail(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(real_data / "wsi" / "tiny" / "unreadable.svs")]) == 0
    found = capsys.readouterr()
    assert "thumbnail, 16 × 16 px" in found.out
    assert not found.err


def test_the_remedy_for_a_wrong_scale_works(
    study: Study, real_data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    slide = real_data / "wsi" / "CMU-1-Small-Region.jpeg.tiff"
    assert main(["add", str(study.path), str(slide), "--mpp", "0.499"]) == 0
    (row,) = study.cohort
    assert row.mpp == 0.499
    table = tmp_path / "mine.csv"
    table.write_text(f"slide,mpp\n{slide},0\n")
    _fails(capsys, "add", study.path, table, remedy="--mpp")
    table.write_text(f"slide,patient,mpp\n{slide},DUPONT,0.5\n")
    assert main(["add", str(study.path), str(table)]) == 0
    assert next(iter(study.cohort)).mpp == 0.5


def test_slides_and_a_table_together_are_refused(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "not both" in _fails(capsys, "add", study.path, "a.csv", "b.svs", remedy=None)


def test_a_slide_without_tissue_is_an_error(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = study.add([IncomingSlide(_blank_slide(tmp_path / "blank.tiff"))])
    assert "no tissue found" in _fails(capsys, "tile", study.path)
    assert not study.store_path(row.slide_id).exists()


def test_a_slide_that_has_moved(
    filled: Study, small_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "moved.svs"
    shutil.copy(small_slide, moved)
    other = Study.create(tmp_path / "other", ontology="breast")
    other.add([IncomingSlide(moved)])
    moved.unlink()
    line = _fails(capsys, "tile", other.path, remedy="pathoai add STUDY FILE")
    assert "moved.svs" not in line


def test_bad_slides_do_not_stop_the_good_one(
    study: Study, small_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "DUPONT-cut.svs"
    generate_slide(cut, SlideRecipe(width=600, height=500, mpp=0.5, seed=8))
    blank, truncated, good = study.add(
        [
            IncomingSlide(_blank_slide(tmp_path / "DUPONT-blank.tiff")),
            IncomingSlide(cut),
            IncomingSlide(small_slide),
        ]
    )
    cut.write_bytes(cut.read_bytes()[:30_000])
    assert main(["tile", str(study.path), "--device", "cpu"]) == 1
    found = capsys.readouterr()
    lines = _messages(found.err)
    assert [line.split(":")[0] for line in lines] == ["pathoai"] * 3
    assert blank.slide_id in lines[0]
    assert "no tissue" in lines[0]
    assert truncated.slide_id in lines[1]
    assert lines[2].startswith("pathoai: error: 2 of 3 slides failed")
    assert blank.slide_id in lines[2]
    assert truncated.slide_id in lines[2]
    assert "Remedy" in lines[2]
    assert "DUPONT" not in found.err + found.out
    assert good.slide_id in found.out
    assert is_complete(study.store_path(good.slide_id))
    assert len(list(study.provenance_path.glob("tile-*.json"))) == 1
    SlideStore(study.store_path(good.slide_id)).verify()


def test_a_second_run_after_all_went_well_changes_no_store(
    filled: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tile", str(filled.path), "--device", "cpu"]) == 0
    stores = filled.path / "stores"
    before = {f: f.stat().st_mtime_ns for f in stores.rglob("*")}
    assert main(["tile", str(filled.path), "--device", "cpu"]) == 0
    assert {f: f.stat().st_mtime_ns for f in stores.rglob("*")} == before
    line = _fails(capsys, "tile", filled.path, "--mpp", "1", "--device", "cpu")
    assert "another store" in line


@pytest.mark.parametrize(
    "words", [["--unknown"], ["tile"], ["tile", "s", "--mp", "1"], ["nope"], []]
)
def test_unknown_options_are_usage_errors(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Abbreviations too: they would change meaning when options are added."""
    with pytest.raises(SystemExit) as raised:
        main(words)
    assert raised.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def _command_that(run: Callable[[Namespace], None]) -> Command:
    def configure(parser: ArgumentParser) -> None:
        parser.add_argument("slide")

    return Command("info", "summary", "example", configure, run)


def test_a_bug_is_called_one_and_traced_on_demand_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: Namespace) -> None:
        raise RuntimeError("over\nseveral\nlines")

    monkeypatch.setattr("pathoai.cli.commands.info.COMMAND", _command_that(fail))
    monkeypatch.delenv("PATHOAI_DEBUG", raising=False)
    assert main(["info", "x"]) == 70
    (line,) = _messages(capsys.readouterr().err)
    assert "a bug in pathoai: RuntimeError: over several lines. Remedy" in line
    monkeypatch.setenv("PATHOAI_DEBUG", "1")
    assert main(["info", "x"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_with_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(options: Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pathoai.cli.commands.info.COMMAND", _command_that(stop))
    assert main(["info", "x"]) == 130
    (line,) = _messages(capsys.readouterr().err)
    assert "finished work is kept" in line


def _limited(*words: object, size: int) -> subprocess.CompletedProcess[str]:
    """Run the program where no file may grow beyond a size: as a full disk, without filling one."""
    return subprocess.run(
        [*_PROGRAM, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


def test_a_full_disk_gives_one_line_and_the_next_run_goes_on(
    filled: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = _limited("init", tmp_path / "s", "--ontology", "breast", size=10)
    assert done.returncode == 1
    (line,) = _messages(done.stderr)
    assert "Remedy: make room" in line
    done = _limited("tile", filled.path, "--device", "cpu", size=50_000)
    assert done.returncode == 1
    (line,) = _messages(done.stderr)
    assert "Remedy: make room" in line
    (row,) = filled.cohort
    assert not is_complete(filled.store_path(row.slide_id))
    assert main(["tile", str(filled.path), "--device", "cpu"]) == 0
    SlideStore(filled.store_path(row.slide_id)).verify()


def _obey_permissions() -> None:
    """Let root obey the permissions of folders too, as every other user does."""
    bounding_set_drop, override_permissions = 24, 1
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(bounding_set_drop, override_permissions, 0, 0, 0)


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that may be entered but not written to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        yield Path(name)
        Path(name).chmod(0o755)


def test_a_read_only_place_gives_one_line(read_only_folder: Path) -> None:
    done = subprocess.run(
        [*_PROGRAM, "init", str(read_only_folder / "s"), "--ontology", "breast"],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=_obey_permissions,
    )
    assert done.returncode == 1, done.stderr
    (line,) = _messages(done.stderr)
    assert "may not be written to" in line
    assert "Remedy" in line


def test_a_file_where_the_study_should_go_gives_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    _fails(capsys, "init", tmp_path / "file", "--ontology", "breast")
    _fails(capsys, "init", tmp_path / "file" / "study", "--ontology", "breast")


def test_the_doctor_looks_at_a_folder_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--folder", str(tmp_path)]) == 0
    found = capsys.readouterr().out
    assert "OK   OpenSlide" in found
    assert "no such folder" in _fails(capsys, "doctor", "--folder", tmp_path / "absent")


def test_a_truth_slide_goes_through_the_first_commands(
    generated: tuple[Path, SlideTruth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s"
    assert main(["init", str(study), "--ontology", "breast", "--title", "T"]) == 0
    assert main(["add", str(study), str(generated[0]), "--patient", "P"]) == 0
    assert main(["tile", str(study), "--mpp", "1", "--device", "cpu"]) == 0
    assert main(["overview", str(study)]) == 0
    assert len(list((study / "overview").glob("*.png"))) == 1
    assert " tiles" in capsys.readouterr().out


def test_where_all_slides_fail_no_others_are_said_to_be_done(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        glass = _blank_slide(tmp_path / f"glass-{number}.tif")
        with glass.open("ab") as file:
            file.write(b"another" * number)
        study.add([IncomingSlide(glass)])
    assert main(["tile", str(study.path), "--device", "cpu"]) == 1
    assert "2 of 2 slides failed; found" in _messages(capsys.readouterr().err)[-1]


def test_a_model_is_named_and_not_a_path(filled: Study, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("models/mine", "../models/mine", "", ".", "/mine"):
        line = _fails(capsys, "predict", filled.path, "--model", name)
        assert "named by one word, not by a path" in line


def test_a_study_that_exists_stays_as_it_is(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = (study.path / "study.toml").read_bytes()
    assert main(["init", str(study.path), "--ontology", "breast", "--title", "another"]) == 0
    assert "there already, and stays as it is" in capsys.readouterr().out
    assert (study.path / "study.toml").read_bytes() == sheet


def test_a_file_where_a_study_shall_be(
    small_slide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = _fails(capsys, "init", small_slide, "--ontology", "breast")
    assert "small.svs: a file lies where the study shall be" in line
    monkeypatch.chdir(small_slide.parent)
    line = _fails(capsys, "init", ".", "--ontology", "breast")
    assert f"{small_slide.parent.name}: the folder is not empty and holds no study" in line
