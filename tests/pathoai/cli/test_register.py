"""``pathoai register``: every pair of the cohort, by the command, on generated twins."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pathoai.cli.main import main
from pathoai.registration.passage import passage_between
from pathoai.registration.saved_registration import Registration
from pathoai.study.cohort import Cohort, IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.testing.ihc_twin import TwinTruth, generate_ihc_twin

pytestmark = pytest.mark.long
Run = Callable[..., str]
TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorial-researcher.md"


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Study, TwinTruth]:
    """A study of an H&E slide and its twin, by the very words of the tutorial."""
    folder = tmp_path_factory.mktemp("pair")
    section = TUTORIAL.read_text("utf8").partition("Try it on generated slides:")[2]
    code, _, rest = section.partition("```python\n")[2].partition("```\n")
    commands = [line.strip() for line in rest.partition("In Python")[0].splitlines() if line]
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        patch.chdir(folder)
        exec(code, names)
        for command in commands:
            program, *words = shlex.split(command)
            assert program == "pathoai"
            assert main(words) == 0, command
    assert commands[-1] == "pathoai register twins"
    return Study(folder / "twins"), names["twin"]


@pytest.fixture
def study(made: tuple[Study, TwinTruth], tmp_path: Path) -> Study:
    """A copy of it, to be spoilt."""
    return Study(Path(shutil.copytree(made[0].path, tmp_path / "study")))


@pytest.fixture
def run(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Register, and give what was printed."""

    def made(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        command = ["register", str(study.path), "--device", "cpu", *(str(w) for w in words)]
        assert main(command) == code
        said = capsys.readouterr()
        assert "bug" not in said.err
        return said.out + said.err

    return made


def ids(study: Study) -> tuple[str, str]:
    he, ihc = study.cohort
    return he.slide_id, ihc.slide_id


def files_of(study: Study) -> dict[Path, int]:
    """What a second run must not touch; it locks and unlocks."""
    found = (*study.path.rglob("registration/*"), *study.path.rglob("registration.*/**/*"))
    return {p: p.stat().st_mtime_ns for p in found if p.is_file() and p.suffix != ".lock"}


def test_a_pair_is_aligned_and_says_how_well(
    made: tuple[Study, TwinTruth], run: Run, study: Study
) -> None:
    he, ihc = ids(study)
    passage = passage_between(study, he, ihc)
    grid = passage.quality.grid
    rows, columns = np.nonzero(passage.quality.believable)
    sides = np.array([grid.downsample_x, grid.downsample_y])
    centres = (np.stack([columns, rows], axis=1).astype(np.float64) + 0.5) * sides
    missed = np.linalg.norm(passage.to_far_px(centres) - made[1].to_twin(centres), axis=1) * 0.5
    assert len(missed) > 20
    assert np.median(missed) < 2, "µm"
    before = files_of(study)
    said = run()
    assert f"{he}--{ihc}: complete before this run; rotation 37." in said
    assert "°, not mirrored; residual median" in said
    assert "tiles believable" in said
    assert files_of(study) == before
    with Image.open(study.registration_path(he, ihc).with_suffix(".png")) as picture:
        assert min(picture.size) > 1000
    assert {p.suffix for p in study.derived_copies(ihc) if p.parent.name == "registration"} >= {
        ".npz",
        ".png",
    }
    (record,) = study.provenance_path.glob("register-*.json")
    content = json.loads(record.read_text("utf8"))
    assert set(content["inputs"]) == {f"store/{he}", f"store/{ihc}"}
    assert set(content["outputs"]) == {f"registration/{he}--{ihc}"}
    for file in [record, *(study.path / "registration").iterdir()]:
        assert not any(word in file.read_bytes() for word in (b"he.svs", b"ihc.svs", b"/twins"))


def test_what_is_missing_or_damaged_is_made_again_and_nothing_else(study: Study, run: Run) -> None:
    path = study.registration_path(*ids(study))
    whole, sheet = path.read_bytes(), path.with_suffix(".png")
    picture = sheet.read_bytes()
    sheet.write_bytes(picture[:-2000])
    assert "complete before" not in run()
    assert sheet.read_bytes() == picture
    assert path.read_bytes() == whole, "the transform was whole"
    path.write_bytes(whole[:300])
    assert "damaged since, done again" in run()
    again = Registration.load(path)
    first = path.with_name("first.npz")
    first.write_bytes(whole)
    assert np.allclose(again.transform.affine, Registration.load(first).transform.affine)


def test_other_settings_and_other_pixels_are_aligned_anew(study: Study, run: Run) -> None:
    path = study.registration_path(*ids(study))
    found = Registration.load(path)
    replace(found, about=found.about | {"settings": {}}).save(path)
    assert "done again: by other settings" in run()
    found = Registration.load(path)
    moving = replace(found.transform.moving, identity="ab" * 32)
    replace(found, transform=replace(found.transform, moving=moving)).save(path)
    assert "done again: a store was made anew" in run()
    assert "complete before this run" in run()


def test_neighbouring_sections_stay_what_they_were_said_to_be(study: Study, run: Run) -> None:
    path = study.registration_path(*ids(study))
    assert not Registration.load(path).is_of_neighbours
    assert "neighbouring sections (areas only)" in run("--neighbouring")
    assert Registration.load(path).is_of_neighbours
    assert "complete before this run" in run(), "nobody need say it twice"
    assert main(["label", str(study.path), "--marker", "AE1AE3", "--device", "cpu"]) == 1
    said = run("--no-neighbouring")
    assert "done again: by other settings" in said
    assert "areas only" not in said


def test_landmarks_are_measured_on_a_finished_pair(
    made: tuple[Study, TwinTruth], study: Study, run: Run, tmp_path: Path
) -> None:
    he, ihc = ids(study)
    marks = tmp_path / "marks"
    marks.mkdir()
    places = np.array([[800.0, 700.0], [1000.0, 800.0], [700.0, 900.0]])
    for slide_id, points in ((he, places), (ihc, made[1].to_twin(places))):
        lines = ["name,X,Y", *(f"{n},{x},{y}" for n, (x, y) in enumerate(points))]
        (marks / f"{slide_id}.csv").write_text("\n".join(lines))
    said = run("--landmarks", marks)
    assert f"; {len(places)} landmarks: TRE median " in said
    assert "rTRE median" in said
    assert "landmarks" in run(), "kept with the pair"
    assert "complete before" in run("--landmarks", marks)
    (marks / f"{ihc}.csv").unlink()
    assert "no such file" in run("--landmarks", marks, code=1)
    assert "no such folder" in run("--landmarks", tmp_path / "absent", code=1)


def test_bad_pairs_are_listed_and_the_others_done(
    study: Study, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another patient's slide, a slide that is not tiled, and a pair without H&E."""
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    he, ihc = ids(study)
    rows = list(study.cohort)
    stranger, untiled, alone = (f"{n:016X}" for n in (1, 2, 3))
    rows += [
        replace(rows[1], slide_id=stranger, marker="MKI67"),
        replace(rows[1], slide_id=untiled, marker="ERG"),
        replace(rows[1], slide_id=alone, pair="p2"),
    ]
    Cohort(rows).write(study.path / "cohort.csv")
    other = tmp_path / "other.svs"
    truth = generate_slide(tmp_path / "he.svs", SlideRecipe(width=1500, height=1200, seed=77))
    generate_ihc_twin(other, truth, marker="MKI67", seed=5)
    helper = Study.create(tmp_path / "helper", ontology="breast")
    (row,) = helper.add([IncomingSlide(other)])
    assert main(["tile", str(helper.path)]) == 0
    _rename_store(helper.store_path(row.slide_id), study.store_path(stranger), row.slide_id)
    path = study.registration_path(he, ihc)
    path.unlink()
    said = run(code=1)
    assert f"{he}--{ihc}: rotation" in said
    assert "3 of 4 pairs failed; the others are done" in said
    assert f"{he}--{stranger}" in said
    assert "pair p2: a pair is one H&E slide" in said
    assert path.is_file()
    assert not study.registration_path(he, stranger).exists()
    assert "3 of 4" not in run("--slides", ihc)
    assert "no such slide" in run("--slides", he, "0" * 16, code=1)


def _rename_store(store: Path, target: Path, slide_id: str) -> None:
    """Put a store into another study, under the code that it has there."""
    shutil.copytree(store, target)
    for file in target.glob("zarr.json"):
        file.write_text(file.read_text("utf8").replace(slide_id, target.stem), "utf8")


def test_a_run_killed_anywhere_is_gone_on_with(study: Study, run: Run) -> None:
    path = study.registration_path(*ids(study))
    for file in path.parent.glob("*"):
        file.unlink()
    command = [sys.executable, "-m", "pathoai", "register", str(study.path), "--device", "cpu"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        while not path.is_file() and killed.poll() is None:
            time.sleep(0.02)
    finally:
        killed.kill()
        killed.wait()
    kept = path.read_bytes()
    said = run()
    assert path.read_bytes() == kept, "what was finished is not done again"
    assert "tiles believable" in said
    assert path.with_suffix(".png").is_file()
    assert not list(path.parent.glob("*.partial"))
    assert "complete before this run" in run()
