"""Features in a store: columns that are read lazily, resumed exactly and verified byte by byte."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.store.describe_store import describe_store
from pathoai.store.features import (
    CHUNK_TILES,
    SHARD_TILES,
    FeatureRecipe,
    FeatureWriter,
    Precision,
    are_features_complete,
    feature_names,
    made_with,
)
from pathoai.store.slide_store import SlideStore
from pathoai.store.verify_store import Damage, find_damage
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec

_SPEC = TileSpec(size_px=16, mpp=0.5)
_LENGTH = 7
_RECIPE = FeatureRecipe(
    "tiny", _SPEC, _LENGTH, {"origin": "encoder", "licence": "MIT"}, made_with={"batch_size": 8}
)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    return SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))


@pytest.fixture
def tiles(store: SlideStore) -> TileGrid:
    found = store.tiles(_SPEC)
    assert len(found) > 2 * SHARD_TILES
    assert len(found) % CHUNK_TILES
    return found


def _vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, _LENGTH)).astype(np.float32)


def _write(store: SlideStore, tiles: TileGrid, recipe: FeatureRecipe = _RECIPE) -> None:
    writer, vectors = FeatureWriter(store.path, tiles, recipe), _vectors(len(tiles))
    for shard in writer.shards:
        if not writer.is_done(shard):
            writer.write(shard, vectors[writer.rows(shard)])
    writer.finish()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize(("precision", "error"), [("float16", 2e-3), ("float32", 0.0)])
def test_what_was_written_is_read(
    store: SlideStore, tiles: TileGrid, precision: Precision, error: float
) -> None:
    _write(store, tiles, replace(_RECIPE, precision=precision))
    found = store.features("tiny")
    assert store.feature_names == ("tiny",)
    assert len(found) == len(tiles)
    assert found.features.dtype == precision
    assert found.features.shape == (len(tiles), _LENGTH)
    assert found.spec == _SPEC
    assert found.about == _RECIPE.about
    np.testing.assert_array_equal(found.origins_px, tiles.origins_px)
    np.testing.assert_allclose(found.read(), _vectors(len(tiles)), atol=error, rtol=0)
    part = slice(SHARD_TILES - 3, SHARD_TILES + 5)
    np.testing.assert_array_equal(found.read(part), found.read()[part])
    assert found.region(5) == tiles.region(5)


def test_plain_zarr_reads_them(store: SlideStore, tiles: TileGrid) -> None:
    """Our bytes are what zarr's own codecs expect."""
    _write(store, tiles)
    group = zarr.open_group(store.path / "features" / "tiny", mode="r")
    kept = _vectors(len(tiles)).astype(np.float16)
    np.testing.assert_array_equal(np.asarray(group["features"]), kept)
    np.testing.assert_array_equal(np.asarray(group["origins_px"]), tiles.origins_px)


def test_the_store_stays_a_valid_image_with_the_same_pixels(
    store: SlideStore, tiles: TileGrid
) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    identity = store.identity
    _write(store, tiles)
    models.Image.from_zarr(zarr.open_group(store.path, mode="r"))
    assert SlideStore(store.path).identity == identity
    assert not list(store.path.parent.glob(".*journal"))


def test_an_interrupted_run_goes_on_to_the_same_bytes(store: SlideStore, tiles: TileGrid) -> None:
    _write(store, tiles)
    whole = _digest(store.path / "features")
    shutil.rmtree(store.path / "features" / "tiny")
    writer, vectors = FeatureWriter(store.path, tiles, _RECIPE), _vectors(len(tiles))
    writer.write(1, vectors[writer.rows(1)])
    with pytest.raises(StoreError, match=r"not complete.*goes on"):
        store.features("tiny")
    assert feature_names(store.path) == ()
    assert describe_store(store.path).unfinished_features == ("tiny",)
    assert made_with(store.path, _RECIPE) == {"batch_size": 8}
    again = FeatureWriter(store.path, tiles, _RECIPE)
    assert [again.is_done(shard) for shard in again.shards[:3]] == [False, True, False]
    _write(store, tiles)
    assert _digest(store.path / "features") == whole


def test_a_shard_that_was_altered_after_it_was_done_is_made_again(
    store: SlideStore, tiles: TileGrid
) -> None:
    writer, vectors = FeatureWriter(store.path, tiles, _RECIPE), _vectors(len(tiles))
    writer.write(0, vectors[writer.rows(0)])
    file = store.path / "features/tiny/features/c/0/0"
    file.write_bytes(file.read_bytes()[:-1])
    assert not FeatureWriter(store.path, tiles, _RECIPE).is_done(0)


@pytest.mark.parametrize(
    "other",
    [
        replace(_RECIPE, about={"origin": "encoder", "licence": "MIT", "weights_sha256": "b"}),
        replace(_RECIPE, precision="float32"),
        replace(_RECIPE, spec=TileSpec(size_px=16, mpp=0.5, min_tissue_fraction=0.2)),
        replace(_RECIPE, made_with={"batch_size": 16}),
    ],
)
def test_an_unfinished_run_of_another_recipe_is_begun_again(
    store: SlideStore, tiles: TileGrid, other: FeatureRecipe
) -> None:
    writer, vectors = FeatureWriter(store.path, tiles, _RECIPE), _vectors(len(tiles))
    writer.write(0, vectors[writer.rows(0)])
    assert not FeatureWriter(store.path, tiles, other).is_done(0)


def test_finished_features_are_those_of_their_recipe_however_computed(
    store: SlideStore, tiles: TileGrid
) -> None:
    _write(store, tiles)
    assert are_features_complete(store.path, _RECIPE)
    assert are_features_complete(store.path, replace(_RECIPE, made_with={"batch_size": 1}))
    assert not are_features_complete(store.path, replace(_RECIPE, precision="float32"))
    assert not are_features_complete(store.path, replace(_RECIPE, name="other"))


def test_numbers_that_cannot_be_kept_are_refused(store: SlideStore, tiles: TileGrid) -> None:
    writer = FeatureWriter(store.path, tiles, _RECIPE)
    vectors = _vectors(SHARD_TILES)
    for value in (np.nan, np.inf, 1e6):
        vectors[3, 2] = value
        with pytest.raises(StoreError, match=r"not a finite number.*float32"):
            writer.write(0, vectors)
    FeatureWriter(store.path, tiles, replace(_RECIPE, precision="float32")).write(0, vectors)
    with pytest.raises(StoreError, match="written whole or not at all"):
        writer.write(0, vectors[:-1])


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="malformed name"):
        replace(_RECIPE, name=name)
    with pytest.raises(InvalidValueError, match="precision"):
        replace(_RECIPE, precision="int8")  # type: ignore[arg-type]  # what a user might ask for


def test_unknown_features_are_refused_with_those_there_are(
    store: SlideStore, tiles: TileGrid
) -> None:
    with pytest.raises(StoreError, match=r"'big'; allowed: none yet.*pathoai features"):
        store.features("big")
    _write(store, tiles)
    with pytest.raises(StoreError, match="'big'; allowed: tiny"):
        store.features("big")


def test_whole_features_have_no_damage_and_are_described(
    store: SlideStore, tiles: TileGrid
) -> None:
    _write(store, tiles)
    assert find_damage(store.path, decode=True) == []
    store.verify()
    about = describe_store(store.path).features["tiny"]
    assert about == {"tiles": len(tiles), "length": _LENGTH, "mpp": 0.5, "licence": "MIT"}


def test_all_damage_of_features_is_listed(store: SlideStore, tiles: TileGrid) -> None:
    _write(store, tiles)
    own = store.path / "features/tiny"
    shard, origins = own / "features/c/1/0", own / "origins_px/c/0/0"
    shard.write_bytes(shard.read_bytes()[:100])
    content = bytearray(origins.read_bytes())
    content[20] ^= 255
    origins.write_bytes(content)
    (own / "features/c/0/0").unlink()
    (own / "surplus").write_bytes(b"x")
    found = find_damage(store.path)
    assert found == [
        Damage("features/tiny/features/c/0/0", "missing"),
        Damage("features/tiny/features/c/1/0", "altered"),
        Damage("features/tiny/origins_px/c/0/0", "altered"),
        Damage("features/tiny/surplus", "a file that the store does not list", True),
    ]
    decoded = {d.where for d in find_damage(store.path, decode=True)} - {d.where for d in found}
    assert f"features tiny, features, tiles {SHARD_TILES} to {2 * SHARD_TILES - 1}" in decoded
    with pytest.raises(StoreError, match="shard"):
        store.verify()


def test_damaged_and_unfinished_metadata_are_listed(store: SlideStore, tiles: TileGrid) -> None:
    FeatureWriter(store.path, tiles, _RECIPE)
    (damage,) = find_damage(store.path)
    assert damage.where == "features/tiny"
    assert "not complete" in damage.what
    assert damage.spares_pixels
    _write(store, tiles)
    (store.path / "features/tiny/features/zarr.json").unlink()
    assert Damage("features/tiny/features/zarr.json", "missing") in find_damage(store.path)
    (store.path / "features/tiny/zarr.json").write_text("{")
    assert "features/tiny" in {d.where for d in find_damage(store.path, decode=True)}
