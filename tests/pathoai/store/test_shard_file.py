"""A shard's file is what Zarr's sharding codec defines: zarr reads ours, and we read zarr's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.store.chunk_coding import COMPRESSIONS, LOSSLESS, ChunkCoding
from pathoai.store.shard_file import index_bytes, join_chunks, parse_index
from pathoai.store.shards import ShardWriter, create_array
from pathoai.store.write_journal import WriteJournal

Picture = Callable[[int, int], NDArray[np.uint8]]


@pytest.fixture
def picture() -> Picture:
    """Smooth colours with some noise, `(3, height, width)` uint8, white at the top left."""

    def draw(height: int, width: int) -> NDArray[np.uint8]:
        y, x = np.mgrid[:height, :width]
        noise = np.random.default_rng(3).integers(0, 9, (3, height, width))
        pixels = np.stack([200 - y % 97, 90 + x % 89, 150 + (x + y) % 71]) + noise
        pixels[:, :64, :64] = 255
        return pixels.astype(np.uint8)

    return draw


@given(st.lists(st.none() | st.binary(max_size=40), min_size=1, max_size=30))
def test_every_chunk_is_found_where_the_index_says(chunks: list[bytes | None]) -> None:
    file = b"".join(join_chunks(chunks))
    index = parse_index(file[-index_bytes(len(chunks)) :], where="shard")
    found = [None if start < 0 else file[start : start + size] for start, size in index.tolist()]
    assert found == chunks


@given(st.integers(0, 16 * 4 + 3), st.integers(1, 255))
def test_one_changed_byte_of_the_index_is_seen(position: int, change: int) -> None:
    raw = bytearray(b"".join(join_chunks([b"a", None, b"bc", b""]))[-index_bytes(4) :])
    raw[position] ^= change
    with pytest.raises(StoreError, match=r"S1 0/c/0/0/0: the index of a shard is damaged"):
        parse_index(bytes(raw), where="S1 0/c/0/0/0")


def _written(
    folder: Path, pixels: NDArray[np.uint8], coding: ChunkCoding
) -> tuple[ShardWriter, zarr.Array]:  # type: ignore[type-arg]  # of any zarr version
    group = zarr.create_group(folder / "S1.zarr", zarr_format=3)
    array = create_array(
        group, "0", pixels.shape, fill=255, coding=coding, chunk_px=64, shard_px=192
    )
    writer = ShardWriter(folder / "S1.zarr", array, WriteJournal(folder / "S1.zarr"), coding)
    for shard in writer.shards:
        rows, columns = writer.slices(shard)
        writer.write(shard, pixels[..., rows, columns])
    return writer, array


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_zarr_reads_what_is_written(picture: Picture, tmp_path: Path, compression: str) -> None:
    """Bit for bit without loss, closely by JPEG; shards and chunks at the edge included."""
    pixels = picture(250, 333)
    _, array = _written(tmp_path, pixels, ChunkCoding(compression))
    found = np.asarray(zarr.open_array(tmp_path / "S1.zarr/0", mode="r")[:]).astype(int)
    difference = np.abs(found - pixels)
    assert difference.mean() <= (3.0 if compression == "jpeg" else 0)
    assert (found[:, :64, :64] == 255).all()
    assert array.shards == (3, 192, 192)


def test_lossless_chunks_are_those_that_zarr_would_write(picture: Picture, tmp_path: Path) -> None:
    """Byte for byte where chunks are whole."""
    pixels = picture(192, 192)
    writer, _ = _written(tmp_path, pixels, ChunkCoding(LOSSLESS))
    group = zarr.create_group(tmp_path / "zarr.zarr", zarr_format=3)
    array = create_array(group, "0", pixels.shape, fill=255, chunk_px=64, shard_px=192)
    array[:] = pixels
    ours = (tmp_path / "S1.zarr" / writer.key((0, 0))).read_bytes()
    theirs = (tmp_path / "zarr.zarr/0/c/0/0/0").read_bytes()
    assert sorted(_chunks(ours)) == sorted(_chunks(theirs))


def _chunks(file: bytes) -> list[bytes]:
    index = parse_index(file[-index_bytes(9) :], where="shard").tolist()
    return [file[start : start + size] for start, size in index if start >= 0]


def test_chunks_of_nothing_are_absent(tmp_path: Path) -> None:
    pixels = np.full((3, 192, 384), 255, np.uint8)
    pixels[:, 70, 70] = 0
    writer, _ = _written(tmp_path, pixels, ChunkCoding())
    assert len(_chunks((tmp_path / "S1.zarr" / writer.key((0, 0))).read_bytes())) == 1
    assert not (tmp_path / "S1.zarr" / writer.key((0, 1))).exists()
    assert writer.is_done((0, 1))


def test_jpeg_chunks_are_ordinary_pictures(picture: Picture, tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    writer, _ = _written(tmp_path, picture(192, 192), ChunkCoding("jpeg", 80))
    chunks = _chunks((tmp_path / "S1.zarr" / writer.key((0, 0))).read_bytes())
    assert len(chunks) == 8
    for chunk in chunks:
        with Image.open(BytesIO(chunk)) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (64, 64), "RGB")


@pytest.mark.parametrize("coding", [("png", 90), ("jpeg", 0), ("jpeg", 101)])
def test_unknown_codings_are_refused(coding: tuple[str, int]) -> None:
    with pytest.raises(InvalidValueError):
        ChunkCoding(*coding)
