"""A batch of tiles is what reading them one by one gives, at any scale, each chunk decoded once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.store.compressed_chunks import Chunk, CompressedChunks
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.store.tile_reader import TileReader
from pathoai.tiling.spec import TileSpec
from tests.pathoai.store.made_stores import (
    SLIDE_ID,
    copied_header,
    jpeg,
    make_store,
    tiles_of,
    tissue_pixels,
)

WIDTH, HEIGHT, SIDE, MPP = 1100, 900, 240, 0.5
ABSENT = (1, 2)
TUMOUR = LabelClass(1, "tumour", "Tumour", "Tumeur", "#ff0000")
PEN = LabelClass(2, "pen", "Pen", "Feutre", "#0000ff")
LABELS = {"annotation/fine": 1, "annotation/coarse": 4}
QUALITY = "quality/artefacts"


def add_label(store: SlideStore, name: str, factor: int) -> None:
    """Random values, 255 and whole absent chunks among them."""
    rng = np.random.default_rng(factor)
    recipe = LabelRecipe(name, (TUMOUR, PEN), {"origin": "import"}, factor=factor)
    writer = LabelWriter(store.path, store.header, recipe)
    height, width = writer.class_map.array.shape
    values = rng.choice(np.array([0, 1, 2, NOT_ASSESSED], np.uint8), (height, width))
    values[256:512, :256] = NOT_ASSESSED
    for shard in writer.class_map.shards:
        rows, columns = writer.class_map.slices(shard)
        writer.class_map.write(shard, values[rows, columns])
    writer.finish()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    """Copied JPEG tiles of 240 px, the last ones over the edge, one absent."""
    chunks = tiles_of(tissue_pixels(4 * SIDE, 5 * SIDE), SIDE, jpeg)
    del chunks[ABSENT]
    header = copied_header(WIDTH, HEIGHT, SIDE)
    made = make_store(tmp_path_factory.mktemp("labelled"), header, chunks)
    for name, factor in {**LABELS, QUALITY: 32}.items():
        add_label(made, name, factor)
    return made


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


def expected_labels(
    store: SlideStore, name: str, origins: NDArray[np.int64], size: int, mpp: float
) -> NDArray[np.uint8]:
    """By the definition: the value under the centre of each pixel."""
    label = store.label(name)
    values, ratio = label.read_all(), mpp / label.mpp
    found = np.full((len(origins), size, size), NOT_ASSESSED, np.uint8)
    for tile, (left, top) in enumerate(origins.tolist()):
        rows, columns = (
            np.floor((start + np.arange(size) + 0.5) * ratio).astype(int) for start in (top, left)
        )
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                    found[tile, i, j] = values[row, column]
    return found


@settings(max_examples=40)
@given(
    size=st.integers(1, 60),
    mpp=st.sampled_from([0.21, 0.45, 0.4875, 0.499, 0.5, 0.61, 1.0, 1.3, 2.0, 3.7, 8.0]),
    places=st.lists(st.tuples(st.floats(-0.2, 1.1), st.floats(-0.2, 1.1)), min_size=0, max_size=5),
    threads=st.booleans(),
)
def test_a_batch_is_what_one_by_one_gives(
    store: SlideStore,
    pool: ThreadPoolExecutor,
    size: int,
    mpp: float,
    places: list[tuple[float, float]],
    threads: bool,
) -> None:
    grid = store.slide.grid(mpp)
    origins = (
        np.array([(x * grid.size_px.width, y * grid.size_px.height) for x, y in places])
        .reshape(-1, 2)
        .astype(np.int64)
    )
    reader = TileReader(store, TileSpec(size, mpp), tuple(LABELS), QUALITY, ("pen",))
    own = np.linspace(0.5, 2, len(origins)).astype(np.float32)
    batch = reader.read(origins, pool if threads else None, own)
    assert len(batch) == len(origins)
    for (x, y), tile in zip(origins.tolist(), batch.pixels, strict=True):
        np.testing.assert_array_equal(tile, store.read_grid(grid, x, y, Size(size, size)))
    assessed = np.zeros(len(origins))
    for name, found in batch.labels.items():
        np.testing.assert_array_equal(found, expected_labels(store, name, origins, size, mpp))
        assessed += (found != NOT_ASSESSED).mean((1, 2)) / len(LABELS)
    assert {key: len(share) for key, share in batch.quality.items()} == dict.fromkeys(
        ("assessed", "tumour", "pen"), len(origins)
    )
    np.testing.assert_allclose(
        batch.weights, own * assessed * (1 - batch.quality["pen"]), atol=1e-5
    )


def test_quality_is_the_share_of_the_tile(store: SlideStore) -> None:
    """By counting pixels; a cell of the map is 32 of them."""
    origins = np.array([[0, 0], [37, 5], [1000, 850], [-40, -40], [512, 300]])
    values = store.label(QUALITY).read_all().repeat(32, axis=0).repeat(32, axis=1)
    padded = np.full((2000, 2000), NOT_ASSESSED, np.uint8)
    padded[100 : 100 + values.shape[0], 100 : 100 + values.shape[1]] = values
    batch = TileReader(store, TileSpec(90, MPP), quality=QUALITY).read(origins)
    for key, value in {"tumour": 1, "pen": 2}.items():
        shares = [
            (padded[y + 100 : y + 190, x + 100 : x + 190] == value).mean()
            for x, y in origins.tolist()
        ]
        np.testing.assert_allclose(batch.quality[key], shares, atol=1e-4)
    left = 1 - batch.quality["tumour"] - batch.quality["pen"]
    np.testing.assert_allclose(batch.weights, left, atol=1e-5)


def present(store: SlideStore, level: int) -> list[Chunk]:
    """The stored chunks of a level."""
    layout = store.header.layout[level]
    return list(CompressedChunks(store.path / str(level), layout, SLIDE_ID).present())


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """Lengths of what a decoder of imagecodecs is given from now on; it decodes as before."""
    decode: Callable[..., Any] = getattr(imagecodecs, name)
    seen: list[int] = []

    def counting(data: bytes, **options: Any) -> Any:  # noqa: ANN401 - as the codec has it
        seen.append(len(data))
        return decode(data, **options)

    monkeypatch.setattr(imagecodecs, name, counting)
    return seen


@pytest.mark.parametrize(("mpp", "level"), [(0.5, 0), (0.45, 0), (0.61, 0), (1.0, 1), (1.3, 1)])
def test_each_chunk_is_decoded_once(
    store: SlideStore,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    mpp: float,
    level: int,
) -> None:
    """Tiles that overlap by far, over the whole slide: many need each stored chunk."""
    reader = TileReader(store, TileSpec(200, mpp), tuple(LABELS))
    size = reader.grid.size_px
    origins = np.array(
        [(x, y) for x in range(-50, size.width, 90) for y in range(-50, size.height, 90)]
    )
    jpegs, maps = counted(monkeypatch, "jpeg8_decode"), counted(monkeypatch, "blosc_decode")
    for threads in (None, pool):
        jpegs.clear()
        maps.clear()
        reader.read(origins, threads)
        stored = len(present(store, level))
        assert len(jpegs) == stored
        assert len(maps) == sum(
            len(list(store.label(name).reader.compressed.present())) for name in LABELS
        )


def test_context_has_the_centres_of_its_tiles(store: SlideStore, pool: ThreadPoolExecutor) -> None:
    reader, origins = TileReader(store, TileSpec(64, MPP)), np.array([[300, 200], [-20, 800]])
    for factor in (1, 3.0, 5.5):
        found = reader.read_context(origins, factor, pool)
        for (x, y), tile in zip(origins.tolist(), found, strict=True):
            side = 64 * factor
            region = store.grid(0).region(x + 32 - side / 2, y + 32 - side / 2, side, side)
            np.testing.assert_array_equal(tile, store.read_region(region, Size(64, 64)))
    # A level has this scale: its own pixels.
    (found,) = reader.read_context(np.array([[300, 200]]), 2)
    np.testing.assert_array_equal(found, store.read(1, 134, 84, Size(64, 64)))
    assert (reader.read_context(np.array([[-3000, -3000]]), 8) == 255).all()


def test_another_process_reads_the_same(store: SlideStore) -> None:
    reader = TileReader(store, TileSpec(100, 0.7), ("annotation/fine",), QUALITY)
    origins = np.array([[100, 100], [400, 300]])
    before = reader.read(origins)
    again = pickle.loads(pickle.dumps(reader)).read(origins)
    np.testing.assert_array_equal(again.pixels, before.pixels)
    np.testing.assert_array_equal(again.weights, before.weights)
    np.testing.assert_array_equal(again.labels["annotation/fine"], before.labels["annotation/fine"])


def test_what_the_store_does_not_have_is_refused(store: SlideStore) -> None:
    spec = TileSpec(64, MPP)
    with pytest.raises(StoreError, match="no such label"):
        TileReader(store, spec, ("annotation/other",))
    with pytest.raises(InvalidValueError, match="named twice"):
        TileReader(store, spec, ("annotation/fine", "annotation/fine"))
    with pytest.raises(InvalidValueError, match="tumour, pen"):
        TileReader(store, spec, quality=QUALITY, disqualifying=("smudge",))
    with pytest.raises(InvalidValueError, match="without a quality label"):
        TileReader(store, spec, disqualifying=("pen",))
    reader = TileReader(store, spec)
    with pytest.raises(InvalidValueError, match=r"\(N, 2\)"):
        reader.read(np.zeros(2, np.int64))
    with pytest.raises(InvalidValueError, match="weights"):
        reader.read(np.zeros((2, 2), np.int64), weights=np.ones(3, np.float32))
    for factor in (0.5, np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="1 or more"):
            reader.read_context(np.zeros((2, 2), np.int64), factor)


def test_a_damaged_label_is_named(tmp_path: Path) -> None:
    chunks = tiles_of(tissue_pixels(SIDE, SIDE), SIDE, jpeg)
    store = make_store(tmp_path, copied_header(SIDE, SIDE, SIDE), chunks)
    add_label(store, "annotation/fine", 1)
    file = store.path / "labels/annotation.fine/0/c/0/0"
    data = bytearray(file.read_bytes())
    data[:64] = bytes(64)
    file.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="annotation/fine 0, row 0, column 0"):
        TileReader(store, TileSpec(64, MPP), ("annotation/fine",)).read(np.zeros((1, 2), np.int64))


def test_undecoded_chunks_follow_the_plan(store: SlideStore) -> None:
    """Whoever decodes them elsewhere puts the same tiles together."""
    origins = np.array([[200, 200], [300, 210], [1050, 850], [420, 400]])
    plan = store.chunk_plan(0, origins, 128)
    tiles = np.full((4, 128, 128, 3), 255, np.uint8)
    chunks = store.compressed_chunks(0, plan.chunks)
    assert chunks[plan.chunks.tolist().index([*ABSENT])] is None
    for index, data in enumerate(chunks):
        if data is not None:
            pixels = imagecodecs.jpeg8_decode(data)
            for tile, to_y, to_x, y, x, height, width in plan.parts_of(index).tolist():
                tiles[tile, to_y : to_y + height, to_x : to_x + width] = pixels[
                    y : y + height, x : x + width
                ]
    np.testing.assert_array_equal(tiles, store.read_tiles(0, origins, 128))
