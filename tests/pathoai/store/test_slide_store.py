"""Finished stores: conformance, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathoai.errors import StoreError
from pathoai.geometry import Size
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.store.tile_index import read_tile_index
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.slide_stores import ExpectedStore, SlideStoreTests
from pathoai.tiling.spec import TileSpec


def _expected(slide: Path) -> ExpectedStore:
    """At the slide's own scale a store holds the slide's own pixels."""
    with open_slide(slide) as reader:
        pixels = reader.read_region(0, 0, 0, reader.info.size)
    return ExpectedStore("0123456789ABCDEF", pixels, mpp=0.5)


class TestOneShard(SlideStoreTests):
    @pytest.fixture
    def store_path(self, tiled_store: Path) -> Path:
        return tiled_store

    @pytest.fixture
    def expected(self, generated: tuple[Path, SlideTruth]) -> ExpectedStore:
        return _expected(generated[0])


class TestFourShards(SlideStoreTests):
    @pytest.fixture
    def store_path(self, four_shard_store: Path) -> Path:
        return four_shard_store

    @pytest.fixture
    def expected(self, two_level_slide: tuple[Path, SlideTruth]) -> ExpectedStore:
        return _expected(two_level_slide[0])


def test_no_store_is_refused_with_its_remedy(tmp_path: Path) -> None:
    assert not is_complete(tmp_path / "CODE.zarr")
    with pytest.raises(StoreError, match=r"no store for this slide.*pathoai tile"):
        SlideStore(tmp_path / "CODE.zarr")


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        "[]",
        '{"zarr_format": 3, "node_type": "group"}',
        '{"zarr_format": 3, "node_type": "group", "attributes": {"pathoai": 5}}',
        '{"zarr_format": 3, "node_type": "group", "attributes": {"pathoai": {"schema": 99}}}',
        '{"zarr_format": 2, "node_type": "group"}',
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, metadata: str) -> None:
    path = tmp_path / "CODE.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(metadata)
    for ask in (SlideStore, is_complete):
        with pytest.raises(StoreError, match="CODE"):
            ask(path)


def test_a_header_of_other_fields_is_refused(tiled_store: Path, tmp_path: Path) -> None:
    metadata = json.loads((tiled_store / "zarr.json").read_text("utf8"))
    metadata["attributes"]["pathoai"]["header"]["hospital"] = "somewhere"
    path = tmp_path / "CODE.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match="malformed store header"):
        SlideStore(path)


def test_any_tile_spec_reads_any_store(tiled_store: Path) -> None:
    """Storing is decoupled from tiling: at other scales and sizes than the store was made with."""
    store = SlideStore(tiled_store)
    for spec in (TileSpec(100, 0.5), TileSpec(64, 1.3, overlap_px=16), TileSpec(512, 0.25)):
        tiles = store.tiles(spec)
        pixels = store.read_region(tiles.region(0), Size(spec.size_px, spec.size_px))
        assert pixels.shape == (spec.size_px, spec.size_px, 3)


def test_the_tile_index_is_kept_in_columns(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    spec = TileSpec(size_px=128, mpp=0.5)
    kept, fresh = read_tile_index(tiled_store, store.header, spec), store.tiles(spec)
    assert kept.origins_px.tolist() == fresh.origins_px.tolist()
    assert kept.tissue_fraction.tolist() == fresh.tissue_fraction.tolist()
    assert kept.grid == fresh.grid
    with pytest.raises(StoreError, match="another spec"):
        read_tile_index(tiled_store, store.header, TileSpec(128, 0.5, 0, 0.4))
    with pytest.raises(StoreError, match="no such tile index"):
        read_tile_index(tiled_store, store.header, TileSpec(99, 0.5))


def test_an_unknown_label_is_refused_by_listing_those_there(tiled_store: Path) -> None:
    with pytest.raises(StoreError, match=r"'nuclei'.*allowed: tissue"):
        SlideStore(tiled_store).label("nuclei")


def test_the_identity_changes_with_any_shard(tiled_store: Path, four_shard_store: Path) -> None:
    one, other = SlideStore(tiled_store), SlideStore(four_shard_store)
    assert one.identity == SlideStore(tiled_store).identity
    assert one.identity != other.identity
