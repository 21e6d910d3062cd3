"""Slides become stores: sparse, resumable to the same bytes, refused where they cannot serve."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, InvalidValueError, NoTissueError, StoreError
from pathoai.geometry import Mpp, Size
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.reader import SlideReader
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec

_SETTINGS = TilingSettings(TileSpec(size_px=128, mpp=0.5), mpp=0.5, compression="blosc-zstd")
Open = Callable[[], SlideReader]


@pytest.fixture
def opener(stained_noise: NDArray[np.uint8]) -> Open:
    return lambda: MemoryReader(stained_noise, mpp=Mpp.square(0.5), slide_id="CODE")


def _files(folder: Path) -> dict[str, bytes]:
    return {
        f.relative_to(folder).as_posix(): f.read_bytes()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def test_shards_without_tissue_have_no_file(opener: Open, tmp_path: Path) -> None:
    path = tmp_path / "CODE.zarr"
    store = tile_slide(SlideSource(opener), path, _SETTINGS)
    assert (path / "0/c/0/0/0").exists()
    assert (path / "0/c/0/0/1").exists()
    assert not (path / "0/c/0/0/2").exists()
    assert (store.read(0, 4100, 0, Size(200, 600)) == 255).all()


def test_pixels_near_tissue_are_kept_and_far_ones_are_white(
    opener: Open, tmp_path: Path, stained_noise: NDArray[np.uint8]
) -> None:
    """At the slide's own scale the store is the slide, but for chunks of glass."""
    store = tile_slide(SlideSource(opener), tmp_path / "CODE.zarr", _SETTINGS)
    found = store.read(0, 0, 0, Size(4300, 600))
    np.testing.assert_array_equal(found[50:550, 1500:2500], stained_noise[50:550, 1500:2500])
    assert (found[:, :1200] == 255).all()
    changed = (found != stained_noise).any(axis=2)
    assert (stained_noise[changed] == 245).all()


def test_the_same_slide_gives_the_same_bytes(opener: Open, tmp_path: Path) -> None:
    """With one worker or three."""
    for name, workers in (("a", 1), ("b", 3)):
        tile_slide(
            SlideSource(opener), tmp_path / name / "CODE.zarr", replace(_SETTINGS, workers=workers)
        )
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_a_second_run_touches_nothing(opener: Open, tmp_path: Path) -> None:
    path = tmp_path / "CODE.zarr"
    tile_slide(SlideSource(opener), path, _SETTINGS)
    before = {f: f.stat().st_mtime_ns for f in path.rglob("*")}
    tile_slide(SlideSource(opener), path, _SETTINGS)
    assert {f: f.stat().st_mtime_ns for f in path.rglob("*")} == before


class _KilledError(BaseException):
    """As sudden as a signal: nobody catches it to clean up."""


def _kill_at_write(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die in the middle of the n-th write of a file, before it gets its name."""
    writes = 0
    rename = Path.replace

    def counted(self: Path, target: str | os.PathLike[str]) -> Path:
        nonlocal writes
        writes += 1
        if writes == number:
            raise _KilledError
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", counted)


def test_killed_at_any_write_a_run_resumes_to_the_same_bytes(
    stained_noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = stained_noise[40:200, 400:2500]

    def opener() -> SlideReader:
        return MemoryReader(small, mpp=Mpp.square(0.5), slide_id="CODE")

    tile_slide(SlideSource(opener), tmp_path / "whole" / "CODE.zarr", _SETTINGS)
    expected = _files(tmp_path / "whole")
    number, finished = 0, False
    while not finished:
        number += 3
        path = tmp_path / str(number) / "CODE.zarr"
        with monkeypatch.context() as patch:
            _kill_at_write(patch, number)
            try:
                tile_slide(SlideSource(opener), path, _SETTINGS)
                finished = True
            except _KilledError:
                assert not _complete(path)
        tile_slide(SlideSource(opener), path, _SETTINGS)
        assert _files(path.parent) == expected, f"killed at write {number}"
    assert number > 20


def _complete(path: Path) -> bool:
    if not (path / "zarr.json").exists():
        return False
    metadata = json.loads((path / "zarr.json").read_text("utf8"))
    return bool(metadata["attributes"]["pathoai"]["complete"])


_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.tiling.spec import TileSpec

slide, store, shard = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def advance(done: int, total: int) -> None:
    if done == shard:
        os.kill(os.getpid(), signal.SIGKILL)

tile_slide(
    SlideSource(lambda: open_slide(slide, slide_id="0123456789ABCDEF"), slide),
    store,
    TilingSettings(TileSpec(size_px=128, mpp=0.5), mpp=0.5, compression="blosc-zstd"),
    advance=advance,
)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_a_process_killed_by_signal_9_resumes_to_the_same_bytes(
    two_level_slide: tuple[Path, SlideTruth], four_shard_store: Path, tmp_path: Path
) -> None:
    from pathoai.slide.open_slide import open_slide

    path = tmp_path / four_shard_store.name
    words = [sys.executable, "-c", _KILLED_RUN, str(two_level_slide[0]), str(path), "2"]
    killed = subprocess.run(words, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert (path / "0/c/0/0/0").exists()
    assert not (path / "0/c/0/1/0").exists()
    with pytest.raises(StoreError, match="not complete"):
        SlideStore(path)
    source = SlideSource(
        lambda: open_slide(two_level_slide[0], slide_id="0123456789ABCDEF"), two_level_slide[0]
    )
    tile_slide(source, path, _SETTINGS)
    assert _files(tmp_path) == _files(four_shard_store.parent)


def test_a_shard_altered_before_resuming_is_made_again(
    opener: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tile_slide(SlideSource(opener), tmp_path / "whole" / "CODE.zarr", _SETTINGS)
    path = tmp_path / "resumed" / "CODE.zarr"

    def stop_after_two(done: int, total: int) -> None:
        if done == 2:
            raise _KilledError

    with pytest.raises(_KilledError):
        tile_slide(SlideSource(opener), path, _SETTINGS, advance=stop_after_two)
    shard = path / "0/c/0/0/0"
    shard.write_bytes(shard.read_bytes()[:-9])
    (path / "0/c/0/0/1").unlink()
    tile_slide(SlideSource(opener), path, _SETTINGS)
    assert _files(path.parent) == _files(tmp_path / "whole")


def test_a_damaged_or_lost_tissue_is_found_again_and_nothing_else_is_made(
    opener: Open, tmp_path: Path
) -> None:
    path = tmp_path / "CODE.zarr"
    tile_slide(SlideSource(opener), path, _SETTINGS)
    before = _files(path)
    images = {f: f.stat().st_mtime_ns for f in path.glob("[0-9]/c/**/*")}
    shard = path / "labels/tissue/0/c/0/0"
    shard.write_bytes(shard.read_bytes()[:20])
    store = tile_slide(SlideSource(opener), path, _SETTINGS)
    assert store.tissue.mask.any()
    assert _files(path) == before
    shutil.rmtree(path / "labels/tissue")
    tile_slide(SlideSource(opener), path, _SETTINGS)
    assert _files(path) == before
    assert {f: f.stat().st_mtime_ns for f in images} == images


def test_a_store_with_other_settings_is_refused(opener: Open, tmp_path: Path) -> None:
    """Finished or not: two scales never mix."""
    path = tmp_path / "CODE.zarr"
    other = replace(_SETTINGS, mpp=1.0)

    def stop(done: int, total: int) -> None:
        raise _KilledError

    with pytest.raises(_KilledError):
        tile_slide(SlideSource(opener), path, _SETTINGS, advance=stop)
    with pytest.raises(StoreError, match=r"another store.*Remedy"):
        tile_slide(SlideSource(opener), path, other)
    tile_slide(SlideSource(opener), path, _SETTINGS)
    with pytest.raises(StoreError, match=r"another store.*Remedy"):
        tile_slide(SlideSource(opener), path, other)
    assert SlideStore(path).mpp == 0.5


def test_a_blank_slide_gives_no_store(tmp_path: Path) -> None:
    blank = np.full((400, 500, 3), 244, np.uint8)
    path = tmp_path / "CODE.zarr"
    source = SlideSource(lambda: MemoryReader(blank, mpp=Mpp.square(0.5), slide_id="CODE"))
    with pytest.raises(NoTissueError, match=r"CODE.*Remedy"):
        tile_slide(source, path, _SETTINGS)
    assert not path.exists()


def test_a_damaged_tile_stops_the_store_from_being_complete(
    stained_noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    class Damaged(MemoryReader):
        def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
            if x > 2000 and size_px.width < 300:
                raise DamagedSlideError("pixels cannot be decoded")
            return super().read_region(x, y, level, size_px)

    path = tmp_path / "CODE.zarr"
    source = SlideSource(lambda: Damaged(stained_noise, mpp=Mpp.square(0.5)))
    with pytest.raises(DamagedSlideError):
        tile_slide(source, path, _SETTINGS)
    with pytest.raises(StoreError, match="not complete"):
        SlideStore(path)


def test_every_reader_is_closed(stained_noise: NDArray[np.uint8], tmp_path: Path) -> None:
    open_readers: set[int] = set()

    class Counted(MemoryReader):
        def __init__(self) -> None:
            super().__init__(stained_noise, mpp=Mpp.square(0.5))
            open_readers.add(id(self))

        def close(self) -> None:
            open_readers.discard(id(self))

    kept: list[Counted] = []

    def opener() -> SlideReader:
        kept.append(Counted())
        return kept[-1]

    tile_slide(SlideSource(opener), tmp_path / "CODE.zarr", _SETTINGS)
    assert len(kept) > 1
    assert not open_readers


def test_coarser_stores_equal_the_slide_resampled_whole(
    stained_noise: NDArray[np.uint8], opener: Open, tmp_path: Path
) -> None:
    """Chunk borders leave no trace, at a ratio that is no whole number."""
    import torch

    from pathoai.preprocess.resample import Taps, resample

    ratio = 0.7 / 0.5
    store = tile_slide(SlideSource(opener), tmp_path / "CODE.zarr", replace(_SETTINGS, mpp=0.7))
    height, width = store.array(0).shape[1:]
    rows, columns = Taps.between(0, height, ratio), Taps.between(0, width, ratio)
    source = opener().read_region(
        columns.first_px, rows.first_px, 0, Size(columns.length_px, rows.length_px)
    )
    batch = torch.from_numpy(np.ascontiguousarray(source.transpose(2, 0, 1)))[None]
    whole = resample(batch, rows, columns)[0].numpy().transpose(1, 2, 0)
    found = store.read(0, 0, 0, Size(width, height))
    tissue = store.tissue.on_grid(store.grid(), slice(0, height), slice(0, width))
    assert np.abs(found[tissue].astype(int) - whole[tissue]).max() <= 1


def test_work_without_workers_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="workers"):
        TilingSettings(TileSpec(), workers=0)
