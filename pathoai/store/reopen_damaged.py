"""Finished parts of a store that are damaged become unfinished again, so that they can be mended.

A label, features or the image whose files are not those whose hashes it holds is turned into what
a run leaves that was killed: its journal knows the shards that are whole. Whoever made the part
then goes on with the others, as after a kill, and nothing whole is made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from pathoai.errors import StoreError
from pathoai.store.features import SlideFeatures, group_path, journal_name
from pathoai.store.file_hashes import damaged_files
from pathoai.store.label_image import INSTANCE, LabelImage, array_in, group_name
from pathoai.store.shards import Shard, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_attributes import read_attributes
from pathoai.store.store_lock import locked
from pathoai.store.stored_shards import shard_file
from pathoai.store.write_journal import DamagedChunk, WriteJournal

# What zarr and our own readers say of metadata that are missing or were altered.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, FileNotFoundError, StoreError)


@dataclass(frozen=True, slots=True)
class _Place:
    """A shard of a pyramid: its file, the folder of its levels, which level, and where."""

    key: str
    plane: str
    level: int
    shard: Shard


def reopen_damaged_label(store: SlideStore, name: str, about: Mapping[str, Any]) -> dict[str, str]:
    """Compare a finished label with its hashes; if it is damaged, it is unfinished afterwards.

    Coarser shards over a damaged one are made again with it, since they are made from it. A label
    whose metadata cannot be read is removed.

    Args:
        store: The slide's.
        name: Of the label.
        about: Where a label comes from that is worth mending; another one is to be replaced anyway.

    Returns:
        Path in the store → what is wrong; empty where all is whole, unfinished or not there.

    Raises:
        StoreError: It is damaged, and another run is writing the store.
    """
    folder = f"labels/{group_name(name)}"
    if not (store.path / folder / "zarr.json").exists():
        return {}
    try:
        if not _is_finished(store.path / folder, about):
            return {}
        label = store.label(name)
        places = list(_places_of_label(label, folder))
    except _MALFORMED as error:
        _remove(store.path, folder, WriteJournal.of_part(store.path, group_name(name)))
        return {folder: f"its metadata are damaged ({type(error).__name__})"}
    expected = {place.key: label.shards.get(place.key, "") for place in places}
    damaged = damaged_files(store.path, expected)
    journal = WriteJournal.of_part(store.path, group_name(name))
    if damaged:
        below = [place for place in places if place.key in damaged]
        again = {p.key for p in places if p.key in damaged or _lies_over(p, below, label)}
        whole = {key: digest for key, digest in expected.items() if key not in again}
        _reopen(store.path, folder, journal, whole)
    else:
        journal.forget()  # a run killed at its very end leaves it
    return damaged


def reopen_damaged_features(store: SlideStore, features: SlideFeatures) -> dict[str, str]:
    """The same for finished features."""
    damaged = damaged_files(store.path, features.shards)
    if damaged:
        whole = {key: digest for key, digest in features.shards.items() if key not in damaged}
        journal = WriteJournal.of_part(store.path, journal_name(features.name))
        _reopen(store.path, group_path(features.name), journal, whole)
    return damaged


def reopen_damaged_image(path: Path) -> dict[str, str]:
    """The same for the image of a finished store.

    Raises:
        StoreError: There is no store, its metadata are damaged, or another run is writing it.
    """
    known = read_attributes(path)
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        arrays = [array_in(group, str(level)) for level in range(len(known.header.layout))]
    except _MALFORMED as error:
        raise StoreError(
            "the metadata of the store's levels are damaged",
            where=path.stem,
            found=type(error).__name__,
            remedy="delete the store and run the command that made it again",
        ) from error
    expected = {p.key: known.shards.get(p.key, "") for p in _places(arrays, "", "")}
    damaged = damaged_files(path, expected)
    if damaged:
        whole = {key: digest for key, digest in expected.items() if key not in damaged}
        _reopen(path, "", WriteJournal(path), whole, known.damaged)
    return damaged


def _is_finished(folder: Path, about: Mapping[str, Any]) -> bool:
    """True for a finished label that comes from there; raises what zarr does."""
    found: Any = zarr.open_group(folder, mode="r", zarr_format=3).attrs.get("pathoai", {})
    return bool(found.get("complete")) and found["about"] == about


def _places_of_label(label: LabelImage, folder: str) -> Iterator[_Place]:
    levels = range(len(label.factors))
    yield from _places([label.array(level) for level in levels], folder, "")
    for plane, read in label.planes.items():
        yield from _places([read(level) for level in levels], folder, plane)
    if label.with_instances:
        yield from _places([label.instances(level) for level in levels], folder, INSTANCE)


def _places(levels: Sequence[zarr.Array[Any]], folder: str, plane: str) -> Iterator[_Place]:
    for level, array in enumerate(levels):
        assert array.shards is not None  # all that we write is sharded
        where = Path(folder, plane, str(level))
        for shard in shards_of(array.shape, array.shards[-1]):
            key = shard_file(where, len(array.shape), shard).as_posix()
            yield _Place(key, plane, level, shard)


def _lies_over(place: _Place, damaged: Sequence[_Place], label: LabelImage) -> bool:
    """True where a coarser shard shows what a damaged finer one of its plane holds."""
    for below in damaged:
        if below.plane == place.plane and below.level < place.level:
            step = round(label.factors[place.level] / label.factors[below.level])
            if place.shard == (below.shard[0] // step, below.shard[1] // step):
                return True
    return False


def _reopen(
    path: Path,
    folder: str,
    journal: WriteJournal,
    whole: Mapping[str, str],
    chunks: Iterable[DamagedChunk] = (),
) -> None:
    with locked(path):
        # First: a journal beside a finished part does no harm.
        journal.restore(whole, chunks)
        group = zarr.open_group(path / folder, mode="r+", zarr_format=3)
        attributes = dict(group.attrs)
        known: Any = attributes["pathoai"]
        group.attrs.put(attributes | {"pathoai": known | {"complete": False, "shards": {}}})


def _remove(path: Path, folder: str, journal: WriteJournal) -> None:
    with locked(path):
        shutil.rmtree(path / folder)
        journal.forget()
