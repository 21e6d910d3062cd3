"""``pathoai store``: what a person sees of stores, and what their exit codes say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import openslide
import pytest
import zarr

from pathoai.cli.main import main
from pathoai.geometry import Size
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.image_writer import ImageWriter
from pathoai.store.slide_store import SlideStore
from pathoai.store.write_journal import DamagedChunk
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.tiling.patch_coordinates import read_patch_coordinates
from pathoai.tiling.spec import TileSpec
from tests.pathoai.store.made_stores import add_prediction, copied_header, jpeg, tissue_pixels

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two slides that are tiled in no time."""
    folder = tmp_path_factory.mktemp("slides")
    for seed in (2, 3):
        generate_slide(
            folder / f"{seed}.svs", SlideRecipe(width=700, height=600, mpp=0.5, seed=seed)
        )
    return sorted(folder.iterdir())


@pytest.fixture
def filled(study: Study, slides: list[Path]) -> Study:
    """A study of two slides that are stored by copying their tiles."""
    for row, slide in zip(study.add(map(IncomingSlide, slides)), slides, strict=True):
        source = SlideSource(lambda s=slide, i=row.slide_id: open_slide(s, slide_id=i), slide)  # type: ignore[misc]  # mypy infers no types of defaults
        settings = TilingSettings(TileSpec(128, 0.5), mpp=None)
        tile_slide(source, study.store_path(row.slide_id), settings)
    return study


def _ids(study: Study) -> list[str]:
    return [row.slide_id for row in study.cohort]


def _run(*words: object) -> int:
    return main(["store", *(str(word) for word in words)])


def _messages(text: str) -> list[str]:
    """The lines on standard error, but for progress bars."""
    return [line for line in text.splitlines() if line.strip() and "━" not in line]


def test_info_says_what_a_store_holds(filled: Study, capsys: Output) -> None:
    first = _ids(filled)[0]
    store = SlideStore(filled.store_path(first))
    add_prediction(store)
    assert _run("info", filled.path, "--slides", first) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{first}: complete\n")
    for expected in (
        "encoding   source",
        "mpp        0.5 × 0.5 µm",
        "level 0    700 × 600 px, factor 1, chunks of 256 px, jpeg, ",
        " of 9 stored, ",
        f"tissue     {store.tissue.area_mm2:.2f} mm²",
        "label      prediction/nuclei: origin model, status proposed",
        "label      tissue: origin method, status not stated, method otsu",
        "damaged    no chunk of the slide",
        "colour     scanner, no ICC profile",
        f"identity   {SlideStore(store.path).identity}",
    ):
        assert expected in out
    files = [f for f in store.path.rglob("*") if f.is_file()]
    assert f" in {len(files)} files" in out
    assert str(filled.path) not in out


def test_info_of_a_store_alone_needs_no_study(filled: Study, capsys: Output) -> None:
    assert _run("info", filled.store_path(_ids(filled)[0])) == 0
    assert "complete" in capsys.readouterr().out


def test_info_of_an_unfinished_store_says_so(tmp_path: Path, capsys: Output) -> None:
    """With the chunks it has by now, and what was damaged in the slide, by its place."""
    header = copied_header(512, 512, 256)
    writer = ImageWriter(tmp_path / "0123456789ABCDEF.zarr", header)
    chunk = jpeg(tissue_pixels(256, 256))
    chunks = [chunk, chunk, *[None] * (16**2 - 2)]
    damaged = [DamagedChunk(0, 1, 0, "the file ends before the tile does")]
    writer.finest.write_chunks((0, 0), chunks, damaged)
    assert _run("info", writer.path) == 0
    out = capsys.readouterr().out
    assert "not complete: `pathoai tile`" in out
    assert "2 of 4 stored" in out
    assert "tissue     not yet known" in out
    assert "identity   none" in out
    assert "level 0 at level-0 x=0, y=256 (the file ends before the tile does)" in out


def test_info_goes_on_past_a_slide_without_store(filled: Study, capsys: Output) -> None:
    first, second = _ids(filled)
    shutil.rmtree(filled.store_path(first))
    assert _run("info", filled.path) == 1
    found = capsys.readouterr()
    assert f"{second}: complete" in found.out
    assert any(first in line and "no store" in line for line in found.err.splitlines())


def test_verify_says_that_stores_are_whole(filled: Study, capsys: Output) -> None:
    assert _run("verify", filled.path, "--decode") == 0
    out = capsys.readouterr().out
    assert all(f"{slide_id}: whole, every chunk decoded" in out for slide_id in _ids(filled))


def test_verify_lists_all_damage_of_all_stores(filled: Study, capsys: Output) -> None:
    first, second = _ids(filled)
    (filled.store_path(first) / "0/c/0/0/0").unlink()
    (filled.store_path(first) / "notes.txt").write_text("x")
    shard = filled.store_path(second) / "labels/tissue/0/c/0/0"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert _run("verify", filled.path) == 1
    found = capsys.readouterr()
    lines = found.out.splitlines()
    assert f"{first}: 0/c/0/0/0: missing" in lines
    assert f"{first}: notes.txt: a file that the store does not list" in lines
    assert f"{second}: labels/tissue/0/c/0/0: altered" in lines
    assert "2 of 2 slides failed" in found.err
    assert str(filled.path) not in found.out + found.err


def test_verify_of_one_damaged_store_fails_in_one_line(filled: Study, capsys: Output) -> None:
    path = filled.store_path(_ids(filled)[0])
    (path / "0/c/0/0/0").unlink()
    assert _run("verify", path) == 1
    (line,) = _messages(capsys.readouterr().err)
    assert "the store is damaged; found 1 faults" in line
    assert "Remedy" in line


@pytest.mark.parametrize("to", ["tiff", "ome-zarr-0.4"])
def test_export_of_a_study_makes_one_copy_per_slide(
    to: str, filled: Study, tmp_path: Path, capsys: Output
) -> None:
    assert _run("export", filled.path, tmp_path / "out", "--to", to) == 0
    suffix = {"tiff": ".tiff", "ome-zarr-0.4": ".ome.zarr"}[to]
    made = sorted(f.name for f in (tmp_path / "out").iterdir())
    assert made == sorted(f"{slide_id}{suffix}" for slide_id in _ids(filled))
    for name in made:
        if to == "tiff":
            with openslide.OpenSlide(tmp_path / "out" / name) as slide:
                assert slide.dimensions == (700, 600)
        else:
            group = zarr.open_group(tmp_path / "out" / name, mode="r", zarr_format=2)
            assert "labels/tissue/0" in group
    records = [json.loads(f.read_text("utf8")) for f in filled.provenance_path.iterdir()]
    assert sorted(next(iter(r["inputs"])) for r in records) == sorted(
        f"store/{slide_id}" for slide_id in _ids(filled)
    )
    assert all(r["command"] == "store export" for r in records)
    assert str(tmp_path) not in capsys.readouterr().out


def test_where_tiles_lie_is_exported_for_other_programs(
    filled: Study, tmp_path: Path, capsys: Output
) -> None:
    words = ["--to", "patches-h5", "--tile-size", "64", "--tile-mpp", "1.0", "--overlap", "16"]
    assert _run("export", filled.path, tmp_path, *words) == 0
    assert "tiles of 64 px at 1 µm" in capsys.readouterr().out
    for slide_id in _ids(filled):
        tiles = SlideStore(filled.store_path(slide_id)).tiles(TileSpec(64, 1.0, 16))
        found = read_patch_coordinates(tmp_path / f"{slide_id}.h5")
        assert (found.side, found.patch_px, found.overlap_px) == (128, 64, 16)
        assert (found.name, found.slide_size) == (slide_id, Size(700, 600))
        assert found.origins.tolist() == (tiles.origins_px * 2).tolist()
    assert _run("export", filled.path, tmp_path, "--to", "patches-h5") == 1
    assert "something lies where the export should go" in capsys.readouterr().err
    assert _run("export", filled.path, tmp_path / "a", "--to", "tiff", "--tile-size", "64") == 1
    assert "--tile-size: tiles are chosen for patches alone" in capsys.readouterr().err


def test_export_of_one_store_takes_the_name_it_is_given(filled: Study, tmp_path: Path) -> None:
    path = filled.store_path(_ids(filled)[0])
    assert _run("export", path, tmp_path / "new" / "a.tiff", "--to", "tiff") == 0
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["a.tiff"]


def test_export_refuses_what_is_there_and_finishes_the_rest(
    filled: Study, tmp_path: Path, capsys: Output
) -> None:
    first, second = _ids(filled)
    (tmp_path / f"{first}.tiff").write_text("precious")
    assert _run("export", filled.path, tmp_path, "--to", "tiff") == 1
    assert "something lies where the export should go" in capsys.readouterr().err
    assert (tmp_path / f"{first}.tiff").read_text() == "precious"
    assert (tmp_path / f"{second}.tiff").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["info", "nowhere.zarr"], "no store for this slide"),
        (["info", "nowhere"], "no such study"),
        (["verify", "nowhere.zarr", "--slides", "X"], "only a study has slides"),
        (["verify", "nowhere.zarr", "--workers", "0"], "allowed: 1 or more"),
        (["export", "nowhere.zarr", "out.tiff", "--to", "tiff"], "no store for this slide"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], expected: str, capsys: Output
) -> None:
    assert _run(*words) == 1
    (line,) = _messages(capsys.readouterr().err)
    assert expected in line


@pytest.mark.parametrize("content", ["{", "[]", '{"zarr_format": 3, "node_type": "group"}'])
def test_what_is_no_store_is_refused_in_one_line(
    content: str, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    for words in (["info"], ["verify"], ["export", tmp_path / "out", "--to", "tiff"]):
        assert _run(words[0], tmp_path / "a.zarr", *words[1:]) == 1
        (line,) = _messages(capsys.readouterr().err)
        assert line.startswith("pathoai: error: a: ")


def test_info_of_a_store_with_damaged_labels_points_to_verify(
    filled: Study, capsys: Output
) -> None:
    path = filled.store_path(_ids(filled)[0])
    (path / "labels/tissue/zarr.json").write_text("{")
    assert _run("info", path) == 1
    (line,) = _messages(capsys.readouterr().err)
    assert "pathoai store verify" in line
