"""What is damaged is made again, to the same bytes; what is whole is not touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from pathoai.errors import StoreError
from pathoai.ontology import load_ontology
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.features import FeatureRecipe, FeatureWriter
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.reopen_damaged import (
    reopen_damaged_features,
    reopen_damaged_image,
    reopen_damaged_label,
)
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.store.store_lock import locked
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec

_CLASSES = load_ontology("breast").classes[1:3]
_ABOUT = {"origin": "model", "status": "proposed"}
_RECIPE = LabelRecipe(
    "prediction/a",
    _CLASSES,
    _ABOUT,
    probability_channels=tuple(c.key for c in _CLASSES),
    with_instances=True,
    uncertainty_channels=("entropy",),
)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    """A store of its own, of two by two shards."""
    return SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))


def _predict(store: SlideStore) -> tuple[LabelImage, list[str]]:
    """Write a label as prediction does: what is done is left alone. Returns it, and what was made.

    The upper right shard is empty, so its files are not there.
    """
    writer, made = LabelWriter(store.path, store.header, _RECIPE), []
    rng = np.random.default_rng(0)
    for plane in (writer.uncertainty, writer.probability, writer.instance, writer.class_map):
        whole = rng.integers(0, 3, plane.array.shape).astype(plane.array.dtype)
        for shard in plane.shards:
            if not plane.is_done(shard):
                pixels = whole[..., *plane.slices(shard)]
                empty = np.full_like(pixels, plane.array.fill_value)
                plane.write(shard, empty if shard == (0, 1) else pixels)
                made.append(plane.key(shard))
    writer.finish()
    return store.label(_RECIPE.name), made


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes of each file, and when it was written, in nanoseconds."""
    return {
        file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


def _changed(before: dict[str, tuple[bytes, int]], folder: Path) -> set[str]:
    """The shards that were written again; all files have the same bytes."""
    after = _files(folder)
    assert {k: v[0] for k, v in after.items()} == {k: v[0] for k, v in before.items()}
    return {k for k, v in after.items() if v[1] != before[k][1] and not k.endswith("zarr.json")}


def test_a_whole_label_stays_as_it_is(store: SlideStore) -> None:
    label, made = _predict(store)
    before = _files(store.path)
    assert reopen_damaged_label(store, label.name, _ABOUT) == {}
    assert _files(store.path) == before
    assert len(made) == 16
    assert not list(store.path.parent.glob(".*.journal"))


@pytest.mark.parametrize("harm", ["alter", "remove", "add"])
def test_only_damaged_shards_and_those_over_them_are_made_again(
    store: SlideStore, harm: str
) -> None:
    label, _ = _predict(store)
    before, own = _files(store.path), f"labels/{label.name.replace('/', '.')}"
    key = f"{own}/probability/0/c/0/1/0"
    if harm == "alter":
        data = bytearray((store.path / key).read_bytes())
        data[len(data) // 2] ^= 1
        (store.path / key).write_bytes(data)
    elif harm == "remove":
        (store.path / key).unlink()
    else:
        key = f"{own}/probability/0/c/0/0/1"
        (store.path / key).write_bytes(b"nobody wrote this")

    damaged = reopen_damaged_label(store, label.name, _ABOUT)

    assert damaged == {key: "missing" if harm == "remove" else "altered"}
    assert not is_label_complete(store.path, label.name, _ABOUT)
    with pytest.raises(StoreError, match="not complete"):
        store.label(label.name)
    _, made = _predict(store)
    assert made == [key]
    coarser = {f"{own}/probability/{level}/c/0/0/0" for level in range(1, len(label.factors))}
    assert _changed(before, store.path) == ({key} if harm != "add" else set()) | coarser
    assert reopen_damaged_label(store, label.name, _ABOUT) == {}


def test_a_label_with_damaged_metadata_is_made_anew(store: SlideStore) -> None:
    label, made = _predict(store)
    before = _files(store.path)
    for name in ("zarr.json", "0/zarr.json", "probability/1/zarr.json"):
        file = store.path / "labels/prediction.a" / name
        file.write_bytes(file.read_bytes()[:20])
        (damage,) = reopen_damaged_label(store, label.name, _ABOUT).items()
        assert damage[0] == "labels/prediction.a"
        assert damage[1].startswith("its metadata are damaged")
        assert _predict(store)[1] == made
        assert {k: v[0] for k, v in _files(store.path).items()} == {
            k: v[0] for k, v in before.items()
        }


def test_what_is_unfinished_or_of_another_origin_is_left_to_its_maker(store: SlideStore) -> None:
    assert reopen_damaged_label(store, "prediction/a", _ABOUT) == {}
    label, _ = _predict(store)
    (store.path / "labels/prediction.a/0/c/0/0").unlink()
    assert reopen_damaged_label(store, label.name, {"origin": "another"}) == {}
    assert store.label(label.name).about == _ABOUT


def test_nothing_is_reopened_under_the_hands_of_another_run(store: SlideStore) -> None:
    label, _ = _predict(store)
    (store.path / "labels/prediction.a/0/c/0/0").unlink()
    with locked(store.path), pytest.raises(StoreError, match="another run is writing"):
        reopen_damaged_label(store, label.name, _ABOUT)
    assert store.label(label.name).about == _ABOUT


def test_only_damaged_features_are_made_again(store: SlideStore) -> None:
    spec = TileSpec(16, 0.5)
    recipe, tiles = FeatureRecipe("tiny", spec, 4, {"origin": "encoder"}), store.tiles(spec)
    vectors = np.random.default_rng(0).normal(size=(len(tiles), 4)).astype(np.float32)

    def write() -> list[int]:
        writer = FeatureWriter(store.path, tiles, recipe)
        missing = [shard for shard in writer.shards if not writer.is_done(shard)]
        for shard in missing:
            writer.write(shard, vectors[writer.rows(shard)])
        writer.finish()
        return missing

    assert len(write()) > 3
    before, features = _files(store.path), store.features("tiny")
    assert reopen_damaged_features(store, features) == {}
    key = "features/tiny/features/c/2/0"
    (store.path / key).write_bytes(b"")
    assert reopen_damaged_features(store, features) == {key: "altered"}
    assert write() == [2]
    assert _changed(before, store.path) == {key}


@pytest.mark.parametrize("mpp", [None, 0.5])
def test_a_damaged_image_is_mended_from_its_slide(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path, mpp: float | None
) -> None:
    """Copied and resampled; labels that lie on it stay true, for its identity is the same."""
    source = SlideSource(lambda: open_slide(two_level_slide[0], slide_id="A"), two_level_slide[0])
    settings, path = TilingSettings(mpp=mpp, device="cpu"), tmp_path / "A.zarr"
    store = tile_slide(source, path, settings)
    before, identity = _files(path), store.identity
    assert reopen_damaged_image(path) == {}
    shards = sorted(k for k in before if "/c/" in k and k.split("/")[0].isdigit())
    (path / shards[0]).unlink()
    (path / shards[-1]).write_bytes(b"altered")
    assert reopen_damaged_image(path) == {shards[0]: "missing", shards[-1]: "altered"}
    assert not is_complete(path)

    assert tile_slide(source, path, settings).identity == identity

    again = {key for key in _changed(before, path) if key.split("/")[0].isdigit()}
    assert {shards[0], shards[-1]} <= again
    # Coarse shards are made in one pass with those that lie under them.
    assert mpp is not None or again == {shards[0], shards[-1]}


def test_an_image_without_its_metadata_is_named(store: SlideStore) -> None:
    (store.path / "1/zarr.json").write_text("{")
    with pytest.raises(StoreError, match="metadata of the store's levels are damaged"):
        reopen_damaged_image(store.path)
    assert zarr.open_group(store.path, mode="r").attrs["pathoai"]
