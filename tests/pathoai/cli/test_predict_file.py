"""``pathoai predict SLIDE --model BUNDLE --out STORE``: as in a study, without one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from pathoai.cli.main import main
from pathoai.metrics.expected_cost import load_costs
from pathoai.models.architecture import build_network
from pathoai.models.bundle import (
    REGION_CLASSIFICATION,
    SLIDE_GRADING,
    ModelBundle,
    load_bundle,
    save_bundle,
)
from pathoai.models.encoder_registry import EncoderRegistry
from pathoai.models.grade_decision import GradeDecision
from pathoai.models.region_decision import RegionDecision
from pathoai.ontology import load_ontology
from pathoai.privacy.pseudonym import is_code
from pathoai.slide.open_slide import open_slide
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.tiling.spec import TileSpec
from tests.pathoai.made_encoders import tiny_encoder

Capture = pytest.CaptureFixture[str]
_BREAST = load_ontology("breast")
_CPU = ("--device", "cpu")
_UNET = {"width": 2, "depth": 1}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small slide whose tiles can be copied, in a file named as clinics name theirs."""
    path = tmp_path_factory.mktemp("cabinet-martin") / "DUPONT_Jeanne.svs"
    generate_slide(path, SlideRecipe(width=700, height=600, mpp=0.5, seed=2))
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of pixels, of random weights that find objects."""
    return _pixel_model(tmp_path_factory.mktemp("models") / "bundle")


def _pixel_model(folder: Path, mpp: float = 0.5, ontology: str = "breast") -> Path:
    torch.manual_seed(3)
    network = build_network("unet", classes=2, arguments=_UNET)
    classes = ("background", _BREAST.classes[1].key)
    described = ModelBundle(
        "tiny", "unet", _UNET, ontology, _BREAST.version, classes, TileSpec(64, mpp)
    )
    save_bundle(folder, described, network)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "provenance" not in file.parts
    }


def _error(capsys: Capture, *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    lines = [x for x in capsys.readouterr().err.splitlines() if x.strip() and "━" not in x]
    (line,) = lines
    assert line.startswith("pathoai: error: ")
    return line


def _predict(slide: Path, bundle: Path, out: Path, *words: str) -> int:
    return main(["predict", str(slide), "--model", str(bundle), "--out", str(out), *_CPU, *words])


@pytest.mark.parametrize("copied", [True, False])
def test_it_is_what_add_tile_and_predict_give(
    slide: Path, bundle: Path, study: Study, tmp_path: Path, capsys: Capture, copied: bool
) -> None:
    """Tiles that cannot be copied are resampled at the model's scale, as `tile --mpp` does."""
    if not copied:
        # No reader's tiles: a plain picture in strips.
        with_strips = tmp_path / "strips.tiff"
        with open_slide(slide) as reader:
            pixels = reader.read_region(0, 0, 0, reader.info.size)
        tifffile.imwrite(
            with_strips,
            pixels,
            photometric="rgb",
            resolution=(40_000, 40_000),
            resolutionunit="CENTIMETER",
        )
        slide = with_strips
    (row,) = study.add([IncomingSlide(slide)])
    shutil.copytree(bundle, study.model_path("tiny"))
    assert main(["tile", str(study.path), *_CPU, *([] if copied else ["--mpp", "0.5"])]) == 0
    assert main(["predict", str(study.path), "--model", "tiny", *_CPU]) == 0
    out = tmp_path / "new" / "alone.zarr"
    capsys.readouterr()

    assert _predict(slide, bundle, out, "--slide-id", row.slide_id) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{row.slide_id}: ")
    assert ("tiles copied" if copied else "resampled to 0.5 µm") in told[0]
    assert told[0].endswith("a doctor decides")
    assert told[1] == f"slide {row.slide_id}: in alone.zarr and alone.results, side by side"
    assert _files(out) == _files(study.store_path(row.slide_id))
    results = out.with_suffix(".results")
    made, expected = _files(results), _files(study.path / "objects" / row.slide_id)
    # Only a study knows the stain, which is a part of what a seal says its files rest on.
    seals = [json.loads(files.pop("prediction.tiny.seal")) for files in (made, expected)]
    assert made == expected
    assert seals[0] | {"rests_on_sha256": ""} == seals[1] | {"rests_on_sha256": ""}
    assert len(read_objects(results / "prediction.tiny.parquet")) > 0
    assert main(["store", "verify", str(out)]) == 0


def test_nothing_that_it_makes_says_whose_slide_it_was(
    slide: Path, bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "a.zarr"
    assert _predict(slide, bundle, out) == 0
    told = capsys.readouterr()
    slide_id = SlideStore(out).slide_id
    assert is_code(slide_id)
    secrets = ("DUPONT", "Jeanne", "cabinet", str(tmp_path), str(bundle.parent))
    for text in (told.out, told.err, *map(repr, _all_files(tmp_path))):
        assert not any(secret in text for secret in secrets)
    # Neither name nor place of the file matters, only its content.
    same, other = tmp_path / "0815.svs", tmp_path / "other.svs"
    same.write_bytes(slide.read_bytes())
    other.write_bytes(slide.read_bytes() + b"more")
    assert _predict(same, bundle, tmp_path / "b.zarr") == 0
    assert _predict(other, bundle, tmp_path / "c.zarr") == 0
    assert _files(tmp_path / "b.zarr") == _files(out)
    assert SlideStore(tmp_path / "c.zarr").slide_id != slide_id


def _all_files(folder: Path) -> list[bytes]:
    made = [*folder.glob("a.*/**/*"), *folder.glob(".a.*")]
    return [file.read_bytes() for file in made if file.is_file()]


def test_a_finished_one_is_skipped_once_its_hashes_are_checked(
    slide: Path, bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "a.zarr"
    assert _predict(slide, bundle, out) == 0
    whole, results = _files(out), out.with_suffix(".results")
    tables = _files(results)
    capsys.readouterr()
    assert _predict(slide, bundle, out) == 0
    assert "complete before this run" in capsys.readouterr().out
    for damaged in (
        out / "0/c/0/0/0",
        out / "labels/prediction.tiny/0/c/0/0",
        out / "labels/prediction.tiny/probability/0/c/0/0/0",
        results / "prediction.tiny.parquet",
        results / "prediction.tiny.json",
    ):
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        assert _predict(slide, bundle, out) == 0
        told = capsys.readouterr().out
        assert "complete before this run" not in told
        named = damaged.relative_to(results if results in damaged.parents else out)
        assert f"damaged since, made again: {named.as_posix()} (altered)" in told
        assert _files(out) == whole
        assert _files(results) == tables
    (results / "prediction.tiny.seal").unlink()
    assert _predict(slide, bundle, out) == 0
    assert "complete before this run" not in capsys.readouterr().out
    assert _files(results) == tables


def test_nothing_else_is_ever_written_over(
    slide: Path, bundle: Path, study: Study, tmp_path: Path, capsys: Capture
) -> None:
    words = ("predict", slide, "--model", bundle, *_CPU, "--out")
    file, folder, foreign = (tmp_path / f"{name}.zarr" for name in ("file", "folder", "foreign"))
    file.write_text("mine")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    foreign.mkdir()
    (foreign / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    (tmp_path / "busy.results").write_text("mine")
    before = _files(tmp_path)
    for place in (file, folder, foreign, tmp_path / "busy.zarr"):
        assert "something else lies where the results should go" in _error(capsys, *words, place)
    assert "ends in .zarr" in _error(capsys, *words, tmp_path / "store")
    assert "inside a study" in _error(capsys, *words, study.path / "stores" / "a.zarr")
    assert {k: v for k, v in _files(tmp_path).items() if k in before} == before
    other = tmp_path / "other.svs"
    other.write_bytes(slide.read_bytes() + b"another")
    assert _predict(slide, bundle, tmp_path / "a.zarr") == 0
    taken = _error(capsys, "predict", other, *words[2:], tmp_path / "a.zarr")
    assert "the store of another slide lies where this one should go" in taken
    tissue = _error(capsys, *words, tmp_path / "a.zarr", "--tissue", "whole")
    assert "another store lies where this one should go" in tissue


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SLIDE", "--model", "BUNDLE"], "a slide file needs a place for its store"),
        (["STUDY", "--model", "tiny", "--out", "a.zarr"], "--out is for a slide file"),
        (["STUDY", "--model", "tiny", "--slide-id", "A"], "--slide-id is for a slide file"),
        (["STUDY", "--model", "tiny", "--mpp", "1"], "--mpp is for a slide file"),
        (["SLIDE", "OUT", "--slides", "A"], "--slides is for a study"),
        (["SLIDE", "OUT", "--cluster", "dask"], "--cluster is for a study"),
        (["SLIDE", "OUT", "--cluster-config", "a"], "--cluster-config is for a study"),
        (["SLIDE", "OUT", "--slide-id", "Dupont"], "a slide goes by a code, never by a name"),
        (["SLIDE", "OUT", "--regions", "tissue"], "--regions is for models that name regions"),
        (["SLIDE", "OUT", "--tissue", "cork"], "unknown"),
        (["SLIDE", "OUT", "--workers", "0"], "workers; found 0; allowed: 1 or more"),
        (["SLIDE", "--out", "a.zarr", "--model", "nowhere"], "no such model bundle"),
        (["nowhere.svs", "OUT"], "no such file"),
        (["SLIDE", "OUT", "--ensemble", "BUNDLE"], "twice"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str],
    message: str,
    slide: Path,
    bundle: Path,
    study: Study,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    out = ["--model", str(bundle), "--out", str(tmp_path / "a.zarr")]
    named = {"SLIDE": [str(slide)], "STUDY": [str(study.path)], "BUNDLE": [str(bundle)]}
    given = [part for word in words for part in (named | {"OUT": out}).get(word, [word])]
    assert message in _error(capsys, "predict", *given, *_CPU)
    assert not (tmp_path / "a.zarr").exists()


def test_a_slide_without_scale_says_how_to_state_it(
    bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(-30, 30, (300, 400, 3))
    picture = np.clip(np.array([200, 120, 170]) + noise, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tiff", picture, photometric="rgb")
    words = ("predict", tmp_path / "a.tiff", "--model", bundle, *_CPU, "--out", tmp_path / "a.zarr")
    assert "--mpp" in _error(capsys, *words)
    assert main([str(word) for word in (*words, "--mpp", "0.5", "--tissue", "whole")]) == 0
    assert SlideStore(tmp_path / "a.zarr").header.slide_mpp_x == 0.5


def test_a_model_of_regions_lays_squares_over_the_tissue(
    slide: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "regions"
    arguments = {"arguments": {"width": 4}, "context": [2]}
    described = ModelBundle(
        "squares",
        "region-classifier",
        arguments,
        "breast",
        _BREAST.version,
        tuple(c.key for c in _BREAST.classes[1:3]),
        TileSpec(24, 0.5),
        task=REGION_CLASSIFICATION,
        decision=RegionDecision(1, None, "annotations").to_dict(),
    )
    save_bundle(
        folder, described, build_network("region-classifier", classes=2, arguments=arguments)
    )
    words = ("predict", slide, "--model", folder, *_CPU, "--out", tmp_path / "a.zarr")
    assert "a slide without a study has no annotations" in _error(capsys, *words)
    assert not (tmp_path / "a.zarr").exists()
    assert main([str(word) for word in (*words, "--regions", "tissue")]) == 0
    assert "prediction/squares" in SlideStore(tmp_path / "a.zarr").labels
    damaged = tmp_path / "a.zarr/labels/prediction.squares/0/c/0/0"
    before = damaged.read_bytes()
    damaged.unlink()
    capsys.readouterr()
    assert main([str(word) for word in (*words, "--regions", "tissue")]) == 0
    assert "labels/prediction.squares/0/c/0/0 (missing)" in capsys.readouterr().out
    assert damaged.read_bytes() == before


def test_a_grader_looks_through_its_encoder(slide: Path, tmp_path: Path, capsys: Capture) -> None:
    encoder = tiny_encoder(tmp_path)
    folder = _grader(tmp_path / "grader", encoder.about)
    words = ("predict", slide, "--model", folder, *_CPU, "--out", tmp_path / "a.zarr")
    refused = _error(capsys, *words)
    assert "an encoder whose weights are not registered here; found tiny" in refused
    assert "pathoai encoders register tiny" in refused
    EncoderRegistry().put(encoder)
    assert main([str(word) for word in words]) == 0
    told = capsys.readouterr().out
    assert "tiles by tiny, licence" in told
    assert "a doctor decides" in told
    results = tmp_path / "a.results"
    assert json.loads((results / "grade.grader.seal").read_text())["said"] in told
    assert main([str(word) for word in words]) == 0
    assert "complete before this run" in capsys.readouterr().out
    # Features that are damaged are encoded again; the grade that rests on them stays.
    (tmp_path / "a.zarr/features/tiny/features/c/0/0").write_bytes(b"")
    assert main([str(word) for word in words]) == 0
    assert "made again: features/tiny/features/c/0/0 (altered)" in capsys.readouterr().out
    folder = _grader(tmp_path / "grader", encoder.about | {"weights_sha256": "0" * 64})
    assert "not those that the model was trained on" in _error(capsys, *words)


def test_a_grade_never_rests_on_damaged_features(
    slide: Path, tmp_path: Path, capsys: Capture
) -> None:
    study = Study.create(tmp_path / "study", ontology="cervix")
    (row,) = study.add([IncomingSlide(slide)])
    encoder = tiny_encoder(tmp_path)
    EncoderRegistry().put(encoder)
    _grader(study.model_path("grader"), encoder.about)
    words = ("predict", study.path, "--model", "grader", *_CPU)
    assert main(["tile", str(study.path), *_CPU]) == 0
    assert "has no such features" in _error(capsys, *words)
    assert main(["features", str(study.path), "--encoder", "tiny", *_CPU]) == 0
    assert main([str(word) for word in words]) == 0
    (study.store_path(row.slide_id) / "features/tiny/features/c/0/0").write_bytes(b"")
    refused = _error(capsys, *words)
    assert "the features that the grade rests on are damaged" in refused
    assert "`pathoai features STUDY --encoder tiny" in refused
    assert main(["features", str(study.path), "--encoder", "tiny", *_CPU]) == 0
    assert "made again: features/tiny/features/c/0/0 (altered)" in capsys.readouterr().out
    assert main([str(word) for word in words]) == 0
    assert "complete before this run" in capsys.readouterr().out


def _grader(folder: Path, encoder: dict[str, object]) -> Path:
    """A model of random weights that grades by vectors of 48 numbers."""
    costs, rng = load_costs("tissuenet"), np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(len(costs.classes)), 40)
    decision = GradeDecision.fitted(
        probabilities,
        rng.integers(0, len(costs.classes), 40),
        [f"P{number:015}" for number in range(40)],
        rng.normal(size=(40, 8)).astype(np.float32),
        costs=costs,
        accepted_miss_rate=0.2,
        set_error_rate=0.1,
    )
    torch.manual_seed(0)
    arguments = {"features": 48, "hidden": 8, "attention_width": 4}
    described = ModelBundle(
        "grader",
        "gated-attention",
        arguments,
        "cervix",
        load_ontology("cervix").version,
        ("benign", "lsil", "hsil", "invasive_scc"),
        TileSpec(16, 0.5),
        task=SLIDE_GRADING,
        decision=decision.to_dict(),
        encoder=encoder,
    )
    save_bundle(folder, described, build_network("gated-attention", classes=4, arguments=arguments))
    return folder


def test_a_model_of_another_ontology_needs_a_study(
    slide: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = _pixel_model(tmp_path / "other", ontology="skin")
    words = ("predict", slide, "--model", folder, *_CPU, "--out", tmp_path / "a.zarr")
    assert "an ontology that does not come along with pathoai; found skin" in _error(capsys, *words)


def test_a_truncated_bundle_and_a_broken_slide_stop_it_before_anything_is_made(
    slide: Path, bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    cut = Path(shutil.copytree(bundle, tmp_path / "cut"))
    weights = cut / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    words = ("predict", slide, "--model", cut, *_CPU, "--out", tmp_path / "a.zarr")
    assert "the weights are missing or were altered" in _error(capsys, *words)
    (cut / "bundle.json").write_text((bundle / "bundle.json").read_text()[:100])
    assert "malformed bundle" in _error(capsys, *words)
    (cut / "bundle.json").unlink()
    assert "unknown model" in _error(capsys, *words)
    broken = tmp_path / "broken.svs"
    broken.write_bytes(slide.read_bytes()[:20_000])
    _error(capsys, "predict", broken, "--model", bundle, *_CPU, "--out", tmp_path / "a.zarr")
    assert not list(tmp_path.glob("a.*"))
    assert load_bundle(bundle).name == "tiny"


def test_a_slide_that_cannot_be_tiled_leaves_no_folder_behind(
    slide: Path, bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Where its tiles are damaged shows only once the store has been begun."""
    damaged, data = tmp_path / "damaged.svs", bytearray(slide.read_bytes())
    with tifffile.TiffFile(slide) as file:
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        for page in (page for page in pages if page.is_tiled):
            for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
                data[start : start + length] = bytes(length)
    damaged.write_bytes(data)
    out = tmp_path / "new" / "deep" / "a.zarr"
    words = ("predict", damaged, "--model", bundle, *_CPU, "--out")
    assert "cannot be read" in _error(capsys, *words, out)
    assert not (tmp_path / "new").exists()
    # What was there before, and what was begun, stays.
    (tmp_path / "mine").mkdir()
    _error(capsys, *words, tmp_path / "mine" / "a.zarr")
    assert (tmp_path / "mine").is_dir()
    blank = tmp_path / "blank.tiff"
    white = np.full((600, 700, 3), 240, np.uint8)
    scale = (20_000, 20_000)
    tifffile.imwrite(blank, white, photometric="rgb", resolution=scale, resolutionunit="CENTIMETER")
    assert "no tissue found" in _error(capsys, "predict", blank, *words[2:], out)
    assert (out.with_suffix(".results") / "no-tissue.png").is_file()
