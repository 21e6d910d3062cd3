"""All damage of a store is listed, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from pathoai.errors import StoreError
from pathoai.store.slide_store import SlideStore
from pathoai.store.verify_store import Damage, find_damage, refuse_damaged
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
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of copied tiles, a colour profile and a prediction with probabilities."""
    chunks = tiles_of(tissue_pixels(512, 4352), 256, jpeg)
    del chunks[1, 2]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    header = replace(copied_header(4300, 500, 256), icc_sha256=hashlib.sha256(profile).hexdigest())
    store = make_store(tmp_path_factory.mktemp("whole"), header, chunks, icc_profile=profile)
    add_prediction(store)
    return store.path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / whole.name))


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("decode", [False, True])
def test_a_whole_store_has_no_damage(whole: Path, decode: bool) -> None:
    told: list[tuple[int, int]] = []
    assert find_damage(whole, decode=decode, advance=lambda *n: told.append(n)) == []
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))
    refuse_damaged(whole)


_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "0/c/0/0/0": (lambda file: _flip(file, 1000), "altered"),
    "0/c/0/0/1": (Path.unlink, "missing"),
    "1/c/0/0/0": (_cut, "altered"),
    "2/zarr.json": (Path.unlink, "missing"),
    "1/zarr.json": (lambda file: file.write_text("{"), "not readable"),
    "labels/prediction.nuclei/0/c/0/1": (Path.unlink, "missing"),
    "labels/prediction.nuclei/probability/1/c/0/0/0": (lambda file: _flip(file, 5), "altered"),
    "labels/prediction.nuclei/probability/0/zarr.json": (Path.unlink, "missing"),
}


@pytest.mark.parametrize("name", sorted(_FAULTS))
def test_each_fault_is_found_alone(name: str, copy: Path) -> None:
    break_it, what = _FAULTS[name]
    break_it(copy / name)
    assert find_damage(copy) == [Damage(name, what)]
    with pytest.raises(StoreError, match=f"damaged.*1 faults.*{name}"):
        refuse_damaged(copy)


def test_all_faults_are_found_at_once(copy: Path) -> None:
    for name, (break_it, _) in _FAULTS.items():
        break_it(copy / name)
    assert find_damage(copy) == sorted(Damage(name, what) for name, (_, what) in _FAULTS.items())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), shard=st.sampled_from([0, 1]))
def test_any_altered_byte_is_found(place: float, shard: int, copy: Path) -> None:
    file = copy / f"0/c/0/0/{shard}"
    at = int(place * file.stat().st_size)
    _flip(file, at)
    assert find_damage(copy) == [Damage(f"0/c/0/0/{shard}", "altered")]
    _flip(file, at)


def test_files_that_nobody_listed_are_reported_but_spare_the_pixels(copy: Path) -> None:
    for name in ("notes.txt", "0/c/0/7/7", "9/zarr.json", "0/c/0/0/0.partial"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("x")
    found = find_damage(copy)
    assert [d.where for d in found] == [
        "0/c/0/0/0.partial",
        "0/c/0/7/7",
        "9/zarr.json",
        "notes.txt",
    ]
    assert all(d.spares_pixels for d in found)
    refuse_damaged(copy)


def test_a_label_that_was_interrupted_is_one_line(tmp_path: Path) -> None:
    """However many files it has by then; the image and the other labels are whole."""
    chunks = tiles_of(tissue_pixels(512, 512), 256, jpeg)
    store = make_store(tmp_path, copied_header(512, 512, 256), chunks)
    add_prediction(store, finish=False)
    (damage,) = find_damage(store.path)
    assert damage.where == "labels/prediction.nuclei"
    assert damage.spares_pixels


def test_a_label_whose_metadata_are_damaged_is_one_line(copy: Path) -> None:
    (copy / "labels/prediction.nuclei/zarr.json").write_text("{")
    (damage,) = find_damage(copy, decode=True)
    assert damage.where == "labels/prediction.nuclei"
    assert "metadata" in damage.what


def test_an_altered_size_is_found(copy: Path) -> None:
    """Our own reader goes by the header, plain zarr by the array: both must say the same."""
    file = copy / "0" / "zarr.json"
    metadata = json.loads(file.read_text("utf8"))
    metadata["shape"] = [3, 500, 4000]
    file.write_text(json.dumps(metadata))
    (damage,) = find_damage(copy)
    assert damage.where == "0/zarr.json"
    assert "4000" in damage.what


def test_an_altered_colour_profile_is_found(copy: Path) -> None:
    profile = zarr.open_array(copy / "icc_profile", mode="r+")
    profile[200] = 255 - np.asarray(profile[200])
    assert find_damage(copy) == [Damage("icc_profile", "altered")]


def test_decoding_finds_what_the_slide_had_damaged(tmp_path: Path) -> None:
    """Copied bytes keep their hash, so only a decoder can tell; all are named, by their place."""
    chunks = tiles_of(tissue_pixels(480, 480), 240, jpeg)
    chunks[1, 0] = b"\xff\xd8 no picture \xff\xd9"
    chunks[1, 1] = jpeg(tissue_pixels(64, 64))
    store = make_store(tmp_path, copied_header(480, 480, 240), chunks)
    assert find_damage(store.path) == []
    first, second = find_damage(store.path, decode=True)
    assert first.where == "level 0, row 1, column 0, level-0 x=0, y=240"
    assert second.where == "level 0, row 1, column 1, level-0 x=240, y=240"
    assert "(64, 64, 3)" in second.what


def test_decoding_finds_a_damaged_index_and_a_damaged_label(copy: Path) -> None:
    _flip(copy / "0/c/0/0/0", -10)
    _flip(copy / "labels/prediction.nuclei/0/c/0/1", -10)
    found = [str(damage) for damage in find_damage(copy, decode=True)]
    assert len(found) == 4
    assert any("level 0, shard 0/0: the index of a shard is damaged" in line for line in found)
    assert any("label prediction/nuclei, level 0, level-0 x=2048, y=0" in line for line in found)


def test_an_unfinished_store_is_refused_with_its_remedy(tmp_path: Path, copy: Path) -> None:
    metadata = json.loads((copy / "zarr.json").read_text("utf8"))
    metadata["attributes"]["pathoai"]["complete"] = False
    (copy / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match=rf"{SLIDE_ID}.*not complete.*pathoai tile"):
        find_damage(copy)
    with pytest.raises(StoreError, match="no store"):
        find_damage(tmp_path / "absent.zarr")


def test_the_store_is_not_changed(copy: Path) -> None:
    before = {f: f.read_bytes() for f in copy.rglob("*") if f.is_file()}
    find_damage(copy, decode=True)
    assert {f: f.read_bytes() for f in copy.rglob("*") if f.is_file()} == before
    assert SlideStore(copy).slide_id == SLIDE_ID
