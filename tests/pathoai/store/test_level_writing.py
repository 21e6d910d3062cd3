"""Levels made in one pass: each the mean of the finer one, whatever interrupts the making."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.level_writing import LevelsWriting
from pathoai.store.pyramid import halved
from pathoai.store.write_journal import DamagedChunk

_SIZE = Size(4700, 4300)
"""Nine shards, four of the next level, one of the level after; no side is even on all levels."""
_DAMAGED = (9, 2)
_DAMAGE = DamagedChunk(0, *_DAMAGED, "pixels cannot be decoded")


def _header(compression: str) -> StoreHeader:
    return StoreHeader(
        "A", _SIZE.width, _SIZE.height, 0.5, 0.5, 0.5, compression=compression, quality=80
    )


def _wanted() -> NDArray[np.bool_]:
    """A third of the chunks, and one whole shard without any."""
    wanted = np.random.default_rng(3).random((17, 19)) < 0.3
    wanted[8:16, 8:16] = False
    wanted[-1, -1] = wanted[_DAMAGED] = True
    return wanted


def _chunk(x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
    """Blots of its own in each chunk."""
    row, column = y_px // 256, x_px // 256
    if (row, column) == _DAMAGED:
        raise DamagedSlideError("pixels cannot be decoded", where="here")
    coarse = np.random.default_rng(100 * row + column).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size_px.width, size_px.height)))


def _made(path: Path, compression: str, workers: int = 2, stops: tuple[int, ...] = ()) -> Path:
    """A finished store whose making stopped after some shards, once for each of ``stops``."""
    for shards in (*stops, None):
        writer = ImageWriter(path, _header(compression))
        making = LevelsWriting(0, writer.levels_from(0), _chunk, _wanted())
        with ThreadPoolExecutor(workers) as pool, closing(making.run(pool)) as run:
            list(islice(run, shards))
            if shards is None:
                assert writer.journal.damaged == (_DAMAGE,)
                writer.finish(pool, made=making.levels)
    return path


def _files(path: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(f for f in path.rglob("*") if f.is_file()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        yield file.relative_to(path).as_posix(), digest


def test_each_level_is_the_mean_of_the_finer_one(tmp_path: Path) -> None:
    """Rounded half up; at the far edges the mean of what is there; white where nothing is."""
    path = _made(tmp_path / "A.zarr", "blosc-zstd")
    writer = ImageWriter(path, _header("blosc-zstd"))
    expected = np.full((_SIZE.height, _SIZE.width, 3), 255, np.uint8)
    for row, column in np.argwhere(_wanted()).tolist():
        y, x = 256 * row, 256 * column
        height, width = expected[y : y + 256, x : x + 256].shape[:2]
        if (row, column) != _DAMAGED:
            expected[y : y + 256, x : x + 256] = _chunk(x, y, Size(width, height))
    assert len(writer.levels) == 5
    for level in writer.levels:
        found = np.asarray(level.array[:]).transpose(1, 2, 0)
        np.testing.assert_array_equal(found, expected)
        expected = np.asarray(Image.fromarray(expected).reduce(2))


@pytest.mark.parametrize("compression", ["jpeg", "blosc-zstd"])
def test_wherever_it_stops_it_goes_on_to_the_same_bytes(tmp_path: Path, compression: str) -> None:
    """Though what is stored is not what was at hand: JPEG loses; 1 worker and 4 agree."""
    whole = dict(_files(_made(tmp_path / "whole" / "A.zarr", compression)))
    assert dict(_files(_made(tmp_path / "one" / "A.zarr", compression, 1))) == whole
    for shards in range(1, 10):
        path = _made(tmp_path / str(shards) / "A.zarr", compression, 4, stops=(shards,))
        assert dict(_files(path)) == whole
    path = _made(tmp_path / "often" / "A.zarr", compression, 4, stops=(2, 3, 5, 9))
    assert dict(_files(path)) == whole


@pytest.mark.parametrize("shards", [None, 5])
def test_four_made_at_once_are_the_same_four(tmp_path: Path, shards: int | None) -> None:
    """Though one of them is damaged, unwanted or cut off by an edge; also after a stop."""
    asked = []

    def square(x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        asked.append(size_px)
        rows = [
            [_chunk(x, y, Size(256, 256)) for x in range(x_px, x_px + size_px.width, 256)]
            for y in range(y_px, y_px + size_px.height, 256)
        ]
        whole = np.concatenate([np.concatenate(row, axis=1) for row in rows])
        return whole if size_px.width > 256 else _chunk(x_px, y_px, size_px)

    wanted = _wanted()
    wanted[:6, :6] = wanted[8:12, :4] = True
    one, four = tmp_path / "one" / "A.zarr", tmp_path / "four" / "A.zarr"
    for path, make, stops in ((one, _chunk, [None]), (four, square, [shards, None])):
        for stop in stops:
            writer = ImageWriter(path, _header("jpeg"))
            making = LevelsWriting(
                0, writer.levels_from(0), make, wanted, four_at_once=make is square
            )
            with ThreadPoolExecutor(2) as pool, closing(making.run(pool)) as run:
                list(islice(run, stop))
                if stop is None:
                    writer.finish(pool, made=making.levels)
    assert dict(_files(four)) == dict(_files(one))
    assert Size(512, 512) in asked


def test_what_is_done_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "A.zarr"
    writer = ImageWriter(path, _header("jpeg"))
    making = LevelsWriting(0, writer.levels_from(0), _chunk, _wanted())
    with ThreadPoolExecutor(2) as pool, closing(making.run(pool)) as run:
        list(islice(run, 6))
    before = {f: f.stat().st_mtime_ns for f in path.rglob("c/*/*/*") if f.is_file()}
    assert len(before) >= 6
    _made(path, "jpeg")
    assert {f: f.stat().st_mtime_ns for f in before} == before


def test_once_closed_nobody_reads_the_slide(tmp_path: Path) -> None:
    reading: set[tuple[int, int]] = set()

    def make(x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        reading.add((x_px, y_px))
        pixels = _chunk(x_px, y_px, size_px)
        reading.remove((x_px, y_px))
        return pixels

    writer = ImageWriter(tmp_path / "A.zarr", _header("jpeg"))
    wanted = _wanted()
    wanted[_DAMAGED] = False
    making = LevelsWriting(0, writer.levels_from(0), make, wanted)
    with ThreadPoolExecutor(4) as pool:
        with closing(making.run(pool)) as run:
            next(run)
        assert not reading


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_halved_is_the_mean_of_what_is_there(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = halved(pixels)
    for y, x in np.ndindex(found.shape[:2]):
        square = pixels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(-1, 3).astype(int)
        mean = (2 * square.sum(axis=0) + len(square)) // (2 * len(square))
        np.testing.assert_array_equal(found[y, x], mean)
