"""``pathoai tile`` and ``predict`` over a cohort, on workers and here: the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from distributed import Client

from pathoai.cli.commands import predict
from pathoai.cli.commands.tile import TileWork, tile_one
from pathoai.cli.main import main
from pathoai.cli.predict_kind import PredictKind
from pathoai.cli.predict_pixels import pixel_predictor
from pathoai.cluster.run_on_workers import run_on_workers
from pathoai.cluster.work_item import Status, WorkItem, attempt
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.models.encoder_registry import EncoderRegistry
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, generate_slide
from pathoai.tiling.spec import TileSpec
from tests.pathoai.cluster import errands
from tests.pathoai.made_encoders import tiny_encoder

pytestmark = pytest.mark.long

_PROGRAM = [sys.executable, "-u", "-m", "pathoai"]


@pytest.fixture(scope="module")
def small_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide that is tiled in no time, in a file named as clinics name theirs."""
    path = tmp_path_factory.mktemp("small") / "DUPONT_Jeanne.svs"
    generate_slide(path, SlideRecipe(width=700, height=600, mpp=0.5, seed=2))
    return path


def _variant(slide: Path, path: Path) -> Path:
    """The same pixels in another file, so a slide of its own."""
    path.write_bytes(slide.read_bytes() + path.name.encode())
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }


def _copy_of(study: Study, path: Path) -> Study:
    """The study once more, with the same identity, so that the same vault serves it."""
    shutil.copytree(study.path, path)
    return Study(path)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and "━" not in line]


def test_a_cohort_with_a_truncated_slide(
    study: Study,
    small_slide: Path,
    two_level_slide: tuple[Path, SlideTruth],
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = _variant(small_slide, tmp_path / "DUPONT-cut.svs")
    slides = [IncomingSlide(p) for p in (small_slide, cut, two_level_slide[0])]
    small, truncated, large = (row.slide_id for row in study.add(slides))
    cut.write_bytes(cut.read_bytes()[:30_000])
    here = _copy_of(study, tmp_path / "here")
    words = ["tile", str(study.path), "--device", "cpu", "--cluster", address]

    assert main(words) == 1

    found = capsys.readouterr()
    dashboard, failure, error = _lines(found.err)
    assert dashboard.startswith("dashboard of the cluster: http://127.0.0.1:")
    assert failure.startswith(f"pathoai: {truncated}: ")
    assert error.startswith("pathoai: error: 1 of 3 slides failed; the others are done")
    first, second, done, failed = _lines(found.out)
    assert {first.split(":")[0], second.split(":")[0]} == {small, large}
    assert done == "done     2"
    assert failed.startswith(f"failed   1  {truncated}  ")
    assert "DUPONT" not in found.err + found.out
    assert len(list(study.provenance_path.glob("tile-*.json"))) == 2
    # Workers know no vault: this test has one of its own, and they were started before.
    assert main(["tile", str(here.path), "--device", "cpu"]) == 1
    assert _files(study.path / "stores") == _files(here.path / "stores")

    capsys.readouterr()
    assert main([*words, "--slides", small, large]) == 0
    assert _lines(capsys.readouterr().out)[-1] == "skipped  2  complete before this run"


def test_a_store_whose_writer_was_killed_goes_on_on_another_worker(
    study: Study, two_level_slide: tuple[Path, SlideTruth], client: Client, tmp_path: Path
) -> None:
    (row,) = study.add([IncomingSlide(two_level_slide[0])])
    here = _copy_of(study, tmp_path / "here")
    settings = TilingSettings(TileSpec(mpp=0.5), mpp=0.5, device="cpu")
    work = TileWork(study.place(row.slide_id), row, two_level_slide[0], settings)
    item = WorkItem(row.slide_id, errands.tile_and_die_once, (tmp_path / "log", work))

    (outcome,) = run_on_workers(client, [item])

    assert outcome.status is Status.DONE
    assert len(set(errands.begun(tmp_path / "log"))) == 2
    undisturbed = WorkItem(row.slide_id, tile_one, replace(work, place=here.place(row.slide_id)))
    assert attempt(undisturbed, threads=1).status is Status.DONE
    assert _files(study.path / "stores") == _files(here.path / "stores")


def _save_model(study: Study) -> None:
    """A model of random weights, which finds objects here and there."""
    classes = ("background", study.ontology.classes[1].key)
    arguments = {"width": 4, "depth": 2}
    name, version = study.ontology.key, study.ontology.version
    bundle = ModelBundle("tiny", "unet", arguments, name, version, classes, TileSpec(64, 0.5))
    torch.manual_seed(0)
    network = build_network("unet", classes=len(classes), arguments=arguments)
    save_bundle(study.model_path("tiny"), bundle, network)


def test_predictions_on_workers_are_those_made_here(
    study: Study,
    small_slide: Path,
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study.add([IncomingSlide(p) for p in (small_slide, _variant(small_slide, tmp_path / "2.svs"))])
    _save_model(study)
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    here = _copy_of(study, tmp_path / "here")
    words = ["--model", "tiny", "--device", "cpu"]

    assert main(["predict", str(study.path), *words, "--cluster", address]) == 0

    assert main(["predict", str(here.path), *words, "--workers", "1"]) == 0
    made = _files(study.path / "stores") | _files(study.path / "objects")
    assert made == _files(here.path / "stores") | _files(here.path / "objects")
    assert any("prediction.tiny" in name for name in made)
    capsys.readouterr()
    assert main(["predict", str(study.path), *words, "--cluster", address]) == 0
    assert _lines(capsys.readouterr().out)[-1] == "skipped  2  complete before this run"


def test_a_bad_slide_and_a_poisonous_one_stop_no_other(
    study: Study,
    small_slide: Path,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One kills whatever worker predicts it; of another the store cannot be read."""
    slides = [_variant(small_slide, tmp_path / f"{number}.svs") for number in range(4)]
    poisonous, bad, *good = sorted(r.slide_id for r in study.add(map(IncomingSlide, slides)))
    _save_model(study)
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    (study.store_path(bad) / "zarr.json").write_text("{")
    (tmp_path / "undisturbed").mkdir()
    here = _copy_of(study, tmp_path / "undisturbed" / "study")
    kind = PredictKind(pixel_predictor, errands.predict_or_die)
    monkeypatch.setattr(predict, "kind_of", lambda *_: kind)
    words = ["--model", "tiny", "--device", "cpu", "--runtime", "torch"]  # the soonest to start
    capsys.readouterr()

    on_two = ["--cluster", address, "--retries", "1"]
    assert main(["predict", str(study.path), *words, *on_two]) == 1

    found = capsys.readouterr()
    assert "dashboard of the cluster: http://127.0.0.1:" in found.err
    assert f"{poisonous}: its worker died 2 times" in found.err
    assert "2 of 4 slides failed; the others are done" in found.err
    table = _lines(found.out)[-3:]
    assert table[0] == "done     2"
    assert table[1].split()[:3] == ["failed", "2", poisonous]
    assert table[2].split()[0] == bad
    log = study.store_path(poisonous).with_suffix(".log")
    assert len(set(errands.begun(log))) == 2
    monkeypatch.undo()
    assert main(["predict", str(here.path), *words, "--slides", *good]) == 0
    for slide_id in good:
        assert _files(study.store_path(slide_id)) == _files(here.store_path(slide_id))


def test_features_on_workers_are_those_made_here(
    study: Study,
    small_slide: Path,
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Workers know no registry of encoders: they are told where the weights lie."""
    study.add([IncomingSlide(p) for p in (small_slide, _variant(small_slide, tmp_path / "2.svs"))])
    EncoderRegistry().put(tiny_encoder(tmp_path))
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    here = _copy_of(study, tmp_path / "here")
    words = ["--encoder", "tiny", "--device", "cpu"]

    assert main(["features", str(study.path), *words, "--cluster", address]) == 0

    assert main(["features", str(here.path), *words, "--workers", "1"]) == 0
    made = _files(study.path / "stores")
    assert made == _files(here.path / "stores")
    assert any("features/tiny" in name for name in made)
    capsys.readouterr()
    assert main(["features", str(study.path), *words, "--cluster", address]) == 0
    assert _lines(capsys.readouterr().out)[-1] == "skipped  2  complete before this run"


def _processes_of_session(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def test_ctrl_c_keeps_finished_work_and_leaves_no_process(
    study: Study, two_level_slide: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    slides = [_variant(two_level_slide[0], tmp_path / f"{number}.svs") for number in range(6)]
    ids = [row.slide_id for row in study.add(map(IncomingSlide, slides))]
    words = [*_PROGRAM, "tile", str(study.path), "--device", "cpu", "--cluster", "dask"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=tmp_path,
    ) as run:
        assert run.stdout is not None
        first = run.stdout.readline()
        # As a terminal does: to the program and all its workers at once.
        os.killpg(run.pid, signal.SIGINT)
        _, printed = run.communicate(timeout=60)

    assert run.returncode == 130, printed
    assert _lines(printed)[-1].startswith("pathoai: stopped; finished work is kept")
    assert "Traceback" not in printed
    deadline = time.monotonic() + 20
    while _processes_of_session(run.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _processes_of_session(run.pid)
    complete = [slide_id for slide_id in ids if is_complete(study.store_path(slide_id))]
    assert first.split(":")[0] in complete
    assert len(complete) < len(ids)
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    for slide_id in ids:
        SlideStore(study.store_path(slide_id)).verify()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cluster", "desk"], "no such cluster; found 'desk'; allowed: dask, slurm"),
        (["--cluster", "dask", "--workers", "0"], "workers; found 0; allowed: 1 or more"),
        (["--retries", "-1"], "retries; found -1; allowed: 0 or more"),
        (["--cluster-config", "x.yaml"], "settings of jobs, but no cluster"),
    ],
)
@pytest.mark.parametrize("command", [["tile"], ["predict", "--model", "tiny"]])
def test_impossible_options(
    command: list[str],
    words: list[str],
    message: str,
    study: Study,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([command[0], str(study.path), *command[1:], *words]) == 1
    (line,) = _lines(capsys.readouterr().err)
    assert message in line


def test_without_dask_the_extra_is_named(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in sys.modules if n.startswith("pathoai.cluster.connect")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["tile", str(study.path), "--cluster", "dask"]) == 1
    (line,) = _lines(capsys.readouterr().err)
    assert "found distributed. Remedy: pip install 'pathoai[cluster]'" in line
