"""Reading a level directly gives what zarr gives, decodes a chunk once, and names damage."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.geometry import Size
from pathoai.store.compressed_chunks import Chunk
from pathoai.store.level_reader import LevelReader
from pathoai.store.read_tiles import read_tiles
from pathoai.store.slide_store import SlideStore


class CountingReader(LevelReader):
    """Counts how often a chunk is decoded."""

    def __init__(self, store: SlideStore, level: int = 0) -> None:
        super().__init__(store.path / str(level), store.header.layout[level], store.slide_id)
        self.decoded: Counter[Chunk] = Counter()

    def decode_top(
        self, chunk: Chunk, data: bytes, out: NDArray[np.uint8], rows: int
    ) -> NDArray[np.uint8]:
        self.decoded[chunk] += 1
        return super().decode_top(chunk, data, out, rows)


@pytest.fixture(scope="module")
def store(four_shard_store: Path) -> SlideStore:
    return SlideStore(four_shard_store)


@pytest.fixture(scope="module")
def whole(store: SlideStore) -> NDArray[np.uint8]:
    """Level 0 as zarr decoded it, `(height, width, 3)` uint8."""
    return np.asarray(store.array(0)[:]).transpose(1, 2, 0)


def test_every_level_is_what_zarr_reads(store: SlideStore) -> None:
    for level in range(len(store.factors)):
        expected = np.asarray(store.array(level)[:]).transpose(1, 2, 0)
        size = Size(expected.shape[1], expected.shape[0])
        np.testing.assert_array_equal(store.read(level, 0, 0, size), expected)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    origins=st.lists(
        st.tuples(st.integers(-300, 5000), st.integers(-300, 5000)), min_size=1, max_size=9
    ),
    size=st.integers(1, 400),
)
def test_tiles_anywhere_are_crops_of_the_whole(
    store: SlideStore, whole: NDArray[np.uint8], origins: list[tuple[int, int]], size: int
) -> None:
    """By the definition: white everywhere, the level pasted into it."""
    found = store.read_tiles(0, np.array(origins, np.int64), size)
    border = 6000
    for (x, y), tile in zip(origins, found, strict=True):
        expected = np.full((size, size, 3), 255, np.uint8)
        crop = whole[max(y, 0) : max(y + size, 0), max(x, 0) : max(x + size, 0)]
        top, left = min(max(-y, 0), border), min(max(-x, 0), border)
        expected[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        np.testing.assert_array_equal(tile, expected)


def test_a_chunk_that_tiles_share_is_decoded_once(store: SlideStore) -> None:
    reader = CountingReader(store)
    origins = np.array([(x, y) for x in range(0, 1024, 64) for y in range(0, 512, 64)])
    with ThreadPoolExecutor(4) as pool:
        tiles = read_tiles(reader, origins, 200, pool)
    assert set(reader.decoded.values()) == {1}
    one_by_one = [store.read(0, int(x), int(y), Size(200, 200)) for x, y in origins]
    np.testing.assert_array_equal(tiles, np.stack(one_by_one))


def test_damage_is_named_by_its_place(store: SlideStore, tmp_path: Path) -> None:
    """One chunk of the level is lost; the others are still read."""
    copy = copytree(store.path, tmp_path / store.path.name)
    file = next(f for f in sorted((copy / "0/c").rglob("*")) if f.is_file())
    data = bytearray(file.read_bytes())
    data[:64] = bytes(64)
    file.write_bytes(bytes(data))
    reader = CountingReader(SlideStore(copy))
    errors = {}
    for row, column in np.ndindex(8, 8):
        try:
            reader.chunk((row, column))
        except StoreError as error:
            errors[row, column] = str(error)
    (((row, column), message),) = errors.items()
    assert "cannot be decoded" in message
    assert f"row {row}, column {column}" in message


def test_a_shard_cut_short_is_named(store: SlideStore, tmp_path: Path) -> None:
    copy = copytree(store.path, tmp_path / store.path.name)
    file = next(f for f in sorted((copy / "0/c").rglob("*")) if f.is_file())
    row, column = (int(part) for part in file.relative_to(copy / "0/c/0").parts)
    for size in (file.stat().st_size - 9, 7):
        file.write_bytes(file.read_bytes()[:size])
        with pytest.raises(StoreError, match="shard"):
            SlideStore(copy).read(0, column * 2048, row * 2048, Size(2048, 2048))
