"""Coarser levels of a label are the same whether they grow with its shards or come at the end."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from pathoai.ontology import load_ontology
from pathoai.store import label_levels
from pathoai.store.label_levels import LabelLevels, ReadBelow
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.pyramid import block_mean
from pathoai.store.shards import Shard, ShardWriter, create_array
from pathoai.store.slide_store import SlideStore
from pathoai.store.write_journal import WriteJournal

_RECIPE = LabelRecipe(
    "prediction/a",
    load_ontology("breast").classes[:3],
    {"origin": "model"},
    probability_channels=("one", "other"),
)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    """A store of four shards that may be written to."""
    return SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))


def _writer(store: SlideStore) -> LabelWriter:
    return LabelWriter(store.path, store.header, _RECIPE)


def _write(writer: LabelWriter, shard: Shard) -> list[NDArray[np.uint8]]:
    """Classes and probabilities of chance; the first shard is empty but for its last row."""
    rng = np.random.default_rng(shard)
    rows, columns = writer.class_map.slices(shard)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    classes, chances = (
        rng.integers(0, 3, shape, np.uint8),
        rng.integers(0, 9, (2, *shape), np.uint8),
    )
    if shard == (0, 0):
        classes[:-1], chances[:, :-1] = 255, 0
    writer.class_map.write(shard, classes)
    writer.probability.write(shard, chances)
    return [chances, classes]


def _grow(writer: LabelWriter, shards: Sequence[Shard]) -> None:
    """Write some shards, in threads, and with each the coarser ones that it completes."""
    levels = (*writer.channel_levels, writer.class_levels)

    def finish(shard: Shard) -> None:
        for level, pixels in zip(levels, _write(writer, shard), strict=True):
            level.add(shard, pixels)

    for level in levels:
        level.expect(shards)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(finish, shards))


def _coarser(store: SlideStore) -> list[str]:
    folder = store.path / "labels" / "prediction.a"
    found = (file.relative_to(folder) for file in folder.rglob("c/**/*") if file.is_file())
    return sorted(f.as_posix() for f in found if f.parts[0] != "0" and f.parts[1] != "0")


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20, 1 << 30])
def test_levels_that_grow_are_those_made_at_the_end(
    store: SlideStore, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_levels, "_KEPT_BYTES", kept_bytes)
    writer = _writer(store)
    shards = writer.class_map.shards
    for shard in shards:
        _write(writer, shard)
    assert not _coarser(store)
    writer.finish()
    expected, files = store.label("prediction/a").shards, _coarser(store)
    shutil.rmtree(store.path / "labels" / "prediction.a")

    writer = _writer(store)
    _grow(writer, shards[::-1])
    assert _coarser(store) == files
    writer.finish()
    assert store.label("prediction/a").shards == expected


@pytest.mark.parametrize("done", [1, 3])
def test_a_run_that_was_interrupted_goes_on_to_the_same_levels(
    store: SlideStore, done: int
) -> None:
    writer = _writer(store)
    shards = writer.class_map.shards
    for shard in shards:
        _write(writer, shard)
    writer.finish()
    expected = store.label("prediction/a").shards
    shutil.rmtree(store.path / "labels" / "prediction.a")

    for shard in shards[:done]:
        _write(_writer(store), shard)
    writer = _writer(store)
    assert [shard for shard in shards if writer.class_map.is_done(shard)] == shards[:done]
    _grow(writer, shards[done:])
    writer.finish()
    assert store.label("prediction/a").shards == expected


_SIDE = 128
_FULL = np.random.default_rng(2).integers(0, 255, (_SIDE, _SIDE), np.uint8)


def _small(folder: Path) -> tuple[list[ShardWriter], LabelLevels]:
    """Three levels of 16, 4 and 1 shards of 32 px, made anew or gone on with."""
    store = folder / "S1.zarr"
    journal, group = WriteJournal(store), zarr.open_group(store, mode="a", zarr_format=3)
    arrays = []
    for level in range(3):
        found = group.get(str(level))
        if not isinstance(found, zarr.Array):
            shape = (_SIDE >> level, _SIDE >> level)
            found = create_array(group, str(level), shape, fill=0, chunk_px=16, shard_px=32)
        arrays.append(found)
    writers = [ShardWriter(store, array, journal) for array in arrays]
    return writers, LabelLevels(writers, (2, 2), block_mean, [_reader(array) for array in arrays])


def _reader(array: zarr.Array[Any]) -> ReadBelow:
    return lambda rows, columns: np.asarray(array[rows, columns])


def test_what_a_killed_run_left_unmade_below_is_made_before_what_lies_above(
    tmp_path: Path,
) -> None:
    writers, _ = _small(tmp_path)
    *done, last = writers[0].shards
    for shard in done:
        writers[0].write(shard, _FULL[writers[0].slices(shard)])

    writers, levels = _small(tmp_path)
    levels.expect([last])
    writers[0].write(last, _FULL[writers[0].slices(last)])
    levels.add(last, _FULL[writers[0].slices(last)])
    assert [s for s in writers[1].shards if writers[1].is_done(s)] == [(1, 1)]
    assert not writers[2].is_done((0, 0))
    levels.finish()
    half = block_mean(_FULL, 2)
    np.testing.assert_array_equal(writers[1].array[:], half)
    np.testing.assert_array_equal(writers[2].array[:], block_mean(half, 2))


def test_levels_of_shards_in_hand_are_those_of_shards_read_again(tmp_path: Path) -> None:
    writers, levels = _small(tmp_path)
    levels.expect(writers[0].shards)
    for number, shard in enumerate(writers[0].shards):
        # Every other row of shards is empty, so is half of each shard above.
        pixels = None if shard[0] % 2 else _FULL[writers[0].slices(shard)]
        if pixels is None:
            writers[0].write_chunks(shard, ())
        else:
            writers[0].write(shard, pixels)
        levels.add(shard, pixels)
        assert writers[2].is_done((0, 0)) == (number == len(writers[0].shards) - 1)
    shown = np.where(np.arange(_SIDE)[:, None] // 32 % 2, np.uint8(0), _FULL)
    np.testing.assert_array_equal(writers[1].array[:], block_mean(shown, 2))
    np.testing.assert_array_equal(writers[2].array[:], block_mean(block_mean(shown, 2), 2))
