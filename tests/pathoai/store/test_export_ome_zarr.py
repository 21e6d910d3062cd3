"""Stores as OME-Zarr 0.4: valid, with the same pixels, for programs that know nothing of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from ome_zarr_models import v04

from pathoai.errors import InvalidValueError, StoreError
from pathoai.store.export_ome_zarr import export_ome_zarr
from pathoai.store.slide_store import SlideStore
from tests.pathoai.store.made_stores import (
    SLIDE_ID,
    add_prediction,
    copied_header,
    jpeg,
    make_store,
    tiles_of,
    tissue_pixels,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    """Copied tiles of 240 px over more than one shard, some absent, and a prediction."""
    pixels = tissue_pixels(480, 4320)
    chunks = tiles_of(pixels, 240, jpeg)
    for absent in ((0, 0), (1, 3)):
        del chunks[absent]
    folder = tmp_path_factory.mktemp("copied")
    store = make_store(folder, copied_header(4270, 430, 240), chunks)
    add_prediction(store)
    return SlideStore(store.path)


@pytest.fixture(scope="module")
def exported(store: SlideStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "new" / "slide.ome.zarr"
    export_ome_zarr(store, path)
    return path


def _array(path: Path, name: str) -> NDArray[np.integer]:
    found = zarr.open_group(path, mode="r", zarr_format=2)[name]
    assert isinstance(found, zarr.Array)
    return np.asarray(found[:])


def test_independent_validators_accept_image_and_labels(exported: Path) -> None:
    group = zarr.open_group(exported, mode="r", zarr_format=2)
    image = v04.Image.from_zarr(group)
    assert image.attributes.multiscales[0].version == "0.4"
    names = v04.Labels.from_zarr(group.require_group("labels")).attributes.labels
    assert names == ["prediction.nuclei"]
    label = v04.ImageLabel.from_zarr(group.require_group("labels/prediction.nuclei"))
    assert label.attributes.image_label is not None
    assert label.attributes.image_label.version == "0.4"


def test_every_pixel_is_that_of_the_store(store: SlideStore, exported: Path) -> None:
    label = store.label("prediction/nuclei")
    own = "labels/prediction.nuclei"
    for level, layout in enumerate(store.header.layout):
        stored = store.read(level, 0, 0, layout.size_px).transpose(2, 0, 1)
        np.testing.assert_array_equal(_array(exported, str(level)), stored)
        np.testing.assert_array_equal(_array(exported, f"{own}/{level}"), label.read_all(level))
        np.testing.assert_array_equal(
            _array(exported, f"{own}/probability/{level}"), np.asarray(label.probability(level)[:])
        )
        numbers = _array(exported, f"{own}/instance/{level}")
        np.testing.assert_array_equal(numbers, np.asarray(label.instances(level)[:]))
        assert numbers.dtype == np.uint32
        assert numbers.max() > 255


def test_scales_and_colours_are_those_of_the_store(store: SlideStore, exported: Path) -> None:
    ours = json.loads((store.path / "zarr.json").read_text("utf8"))["attributes"]["ome"]
    found = json.loads((exported / ".zattrs").read_text("utf8"))
    assert found["multiscales"][0]["datasets"] == ours["multiscales"][0]["datasets"]
    assert [c["color"] for c in found["omero"]["channels"]] == ["FF0000", "00FF00", "0000FF"]
    assert "ome" not in found


def test_a_label_still_says_that_a_model_proposed_it(exported: Path) -> None:
    attributes = json.loads((exported / "labels/prediction.nuclei/.zattrs").read_text("utf8"))
    assert attributes["pathoai"]["about"] == {"origin": "model", "status": "proposed"}


def test_it_says_nothing_of_the_file_the_slide_came_in(exported: Path) -> None:
    text = " ".join(f.read_text("utf8") for f in exported.rglob(".z*"))
    for word in ("source_sha256", "quickhash", "vendor", str(exported.parent)):
        assert word not in text


def test_chunks_without_tissue_stay_absent(exported: Path) -> None:
    assert not (exported / "0/0/0/0").exists()
    assert (exported / "0/0/0/1").is_file()


_PLAIN = """
import sys, zarr
group = zarr.open_group(sys.argv[1], mode="r")
print([int(group[name][:].astype("u8").sum()) for name in ("0", "labels/prediction.nuclei/0")])
assert not any(name.split(".")[0] == "pathoai" for name in sys.modules)
"""


def test_plain_zarr_reads_it_without_pathoai(store: SlideStore, exported: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PLAIN, str(exported)],
        check=True,
        capture_output=True,
        text=True,
    )
    pixels = store.read(0, 0, 0, store.header.layout[0].size_px)
    values = store.label("prediction/nuclei").read_all()
    assert json.loads(done.stdout) == [int(n.astype("u8").sum()) for n in (pixels, values)]


def test_a_store_without_labels_makes_no_empty_group_of_them(tmp_path: Path) -> None:
    store = make_store(
        tmp_path, copied_header(512, 512, 256), tiles_of(tissue_pixels(512, 512), 256, jpeg)
    )
    export_ome_zarr(store, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr" / "labels").exists()


def test_a_lossless_store_of_several_shards_is_exported_too(
    four_shard_store: Path, tmp_path: Path
) -> None:
    store = SlideStore(four_shard_store)
    export_ome_zarr(store, tmp_path / "a.zarr")
    for level, layout in enumerate(store.header.layout):
        stored = store.read(level, 0, 0, layout.size_px).transpose(2, 0, 1)
        np.testing.assert_array_equal(_array(tmp_path / "a.zarr", str(level)), stored)
        np.testing.assert_array_equal(
            _array(tmp_path / "a.zarr", f"labels/tissue/{level}"),
            store.label("tissue").read_all(level),
        )


def test_progress_ends_at_its_total(store: SlideStore, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export_ome_zarr(store, tmp_path / "a.zarr", advance=lambda *n: told.append(n))
    total = told[0][1]
    assert told == [(n, total) for n in range(1, total + 1)]


def test_what_is_there_already_is_refused_and_kept(store: SlideStore, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InvalidValueError, match=r"a\.zarr.*Remedy"):
        export_ome_zarr(store, tmp_path / "a.zarr")
    assert not list((tmp_path / "a.zarr").iterdir())


def test_an_interrupted_export_leaves_nothing(store: SlideStore, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_ome_zarr(store, tmp_path / "a.zarr", advance=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damaged", ["0/c/0/0/0", "labels/prediction.nuclei/1/zarr.json"])
def test_a_damaged_store_is_not_handed_on(damaged: str, store: SlideStore, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(store.path, tmp_path / f"{SLIDE_ID}.zarr"))
    content = (copy / damaged).read_bytes()
    (copy / damaged).write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="damaged") as raised:
        export_ome_zarr(SlideStore(copy), tmp_path / "a.zarr")
    assert damaged in str(raised.value)
    assert not (tmp_path / "a.zarr").exists()
