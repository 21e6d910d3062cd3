"""Batches that are handed over compressed are, decoded, what the store gives."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pathoai.errors import InvalidValueError, StoreError
from pathoai.preprocess.compressed_batch import CompressedBatch, StoreTiles, read_compressed
from pathoai.preprocess.device_batch import BatchDecoder, decoded_ahead, decoder_for, gather
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.stage_clock import StageClock
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec

_CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def copied_store(
    two_level_slide: tuple[Path, SlideTruth], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store of the slide's own JPEG tiles."""
    path, slide = tmp_path_factory.mktemp("copied") / "A.zarr", two_level_slide[0]
    source = SlideSource(lambda: open_slide(slide, slide_id="A"), slide)
    tile_slide(source, path, TilingSettings(TileSpec(128, 0.5), device="cpu"))
    return path


@pytest.fixture
def stores(four_shard_store: Path, copied_store: Path) -> list[SlideStore]:
    """One of lossless chunks and one of JPEG tiles."""
    return [SlideStore(four_shard_store), SlideStore(copied_store)]


def _sources(stores: list[SlideStore], count: int, *, level: int = 0) -> list[StoreTiles]:
    """Tiles at random places, some partly or wholly outside, whose order in the batch is mixed."""
    generator = np.random.default_rng(4)
    places = generator.permutation(count * len(stores)).reshape(len(stores), count)
    origins = generator.integers(-200, 2300 >> level, (len(stores), count, 2))
    return [StoreTiles(store, level, origins[i], places[i]) for i, store in enumerate(stores)]


def _expected(
    sources: list[StoreTiles], size_px: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    tiles = np.empty((sum(len(s.places) for s in sources), 3, size_px, size_px), np.uint8)
    for source in sources:
        pixels = source.store.read_tiles(source.level, source.origins_px, size_px)
        tiles[source.places] = pixels.transpose(0, 3, 1, 2)
    return tiles


@pytest.mark.parametrize(("level", "size_px"), [(0, 256), (0, 100), (0, 600), (1, 128)])
def test_decoded_batches_are_what_the_stores_give(
    stores: list[SlideStore], level: int, size_px: int
) -> None:
    """On and off the grid of chunks, across stores of two kinds; one look-up and copies agree."""
    sources = _sources(stores, 12, level=level)
    batch = read_compressed(sources, size_px)
    assert {group.kind.compression for group in batch.groups} == {"blosc-zstd", "jpeg"}
    clock, expected = StageClock(), _expected(sources, size_px)
    with ThreadPoolExecutor(2) as pool:
        decoder = BatchDecoder(_CPU, pool, clock.stage)
        found = decoder.decode(pickle.loads(pickle.dumps(batch)))
    np.testing.assert_array_equal(found.numpy(), expected)
    assert set(clock.seconds) == {"decode", "gather"}
    again = torch.full_like(found, 255)
    for group in batch.groups:
        assert decoder.on_device(group.kind) is False
        alone = replace(batch, groups=(group,))
        whole = _chunks(alone)
        gather(again, whole, group.parts)
    np.testing.assert_array_equal(again.numpy(), expected)


def _chunks(batch: CompressedBatch) -> torch.Tensor:
    from pathoai.preprocess.device_pictures import PictureDecoder
    from pathoai.store.chunk_coding import ChunkCoding

    (group,) = batch.groups
    decoder = PictureDecoder(ChunkCoding(group.kind.compression), group.kind.side_px, _CPU)
    return decoder.decode(group.pictures()).pixels


def test_glass_alone_is_white(stores: list[SlideStore]) -> None:
    far = np.array([[90_000, 0], [-700, -700]])
    batch = read_compressed([StoreTiles(stores[1], 0, far, np.arange(2))], 256)
    assert batch.groups == ()
    assert (decoder_for(_CPU).decode(batch) == 255).all()


def test_batches_are_decoded_ahead_in_order(stores: list[SlideStore]) -> None:
    """And what goes wrong in the thread is told where batches are used."""
    batches = [
        (read_compressed(_sources(stores, count), 64), torch.full((2 * count,), count))
        for count in (3, 1, 4)
    ]
    decoder = decoder_for(_CPU)
    found = list(decoded_ahead(batches, decoder))
    assert [int(targets[0]) for _, targets in found] == [3, 1, 4]
    for (pixels, _), (batch, _) in zip(found, batches, strict=True):
        assert torch.equal(pixels, decoder.decode(batch))
    group = batches[0][0].groups[0]
    spoilt = replace(group, data=torch.zeros_like(group.data))
    bad = (replace(batches[0][0], groups=(spoilt,)), batches[0][1])
    with pytest.raises(StoreError, match=r"cannot be decoded.*store verify"):
        list(decoded_ahead([*batches, bad], decoder))


def test_stores_whose_colours_are_converted_are_not_handed_over(stores: list[SlideStore]) -> None:
    stores[1].header = replace(stores[1].header, colour="srgb")
    with pytest.raises(InvalidValueError, match=r"not handed over.*read_tiles"):
        StoreTiles(stores[1], 0, np.zeros((1, 2), np.int64), np.zeros(1, np.int64))
