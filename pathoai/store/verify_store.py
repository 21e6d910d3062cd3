"""Everything that is wrong with a store, as a list: nothing stops at the first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pathoai.errors import StoreError
from pathoai.geometry import Grid
from pathoai.progress import Advance, silent
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.features import (
    FEATURES,
    ORIGINS,
    SHARD_TILES,
    SlideFeatures,
    feature_folders,
    group_path,
)
from pathoai.store.file_hashes import fault_of_file
from pathoai.store.header import ICC_PROFILE, StoreHeader
from pathoai.store.label_image import LabelImage, group_name
from pathoai.store.level_reader import LevelReader
from pathoai.store.shards import Shard, shard_slices
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_attributes import read_attributes
from pathoai.store.stored_shards import stored_shards

_METADATA = "zarr.json"
_UNHASHED = ("tiles", ICC_PROFILE)
"""Small arrays of Zarr's own making; their files are not listed."""


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """One thing that is wrong.

    Args:
        where: A file or folder by its path in the store, or a chunk by its place on the slide.
        what: In a few words.
        spares_pixels: True where all that the store lists is whole nevertheless.
    """

    where: str
    what: str
    spares_pixels: bool = False

    def __str__(self) -> str:
        """In one line."""
        return " ".join(f"{self.where}: {self.what}".split())


_Check = Callable[[], list[Damage]]


def find_damage(
    path: Path, *, decode: bool = False, workers: int = 2, advance: Advance = silent
) -> list[Damage]:
    """Compare a finished store with the hashes it holds, and decode all of it where asked to.

    Args:
        path: The store.
        decode: Decode every chunk too, which also finds what the slide's own file had damaged.
        workers: Threads.
        advance: Told of checks done, one per file and one per decoded shard, and of those in all.

    Returns:
        What is missing, altered, not listed or cannot be decoded, sorted by place.

    Raises:
        StoreError: It is no store of this version, or not complete.
    """
    store = SlideStore(path)
    hashes = dict(read_attributes(path).shards)
    labels, found = _readable_labels(store)
    features, faults = _readable_features(store)
    found += faults
    for label in labels:
        hashes |= label.shards
    for one in features:
        hashes |= one.shards
    metadata = [*_metadata_files(store, labels), *_metadata_of_features(path, features)]
    found += _unlisted(path, {*hashes, *metadata}, [d.where for d in found])
    checks = [*(_metadata_check(path, name, store) for name in metadata)]
    checks += [_hash_check(path, key, digest) for key, digest in hashes.items()]
    if store.header.icc_sha256:
        checks.append(lambda: _icc_damage(path, store.header))
    if decode:
        checks += [*_image_checks(store), *_label_checks(path, labels)]
        checks += _feature_checks(features)
    with ThreadPoolExecutor(workers) as pool:
        for done, damage in enumerate(pool.map(lambda check: check(), checks), start=1):
            found += damage
            advance(done, len(checks))
    return sorted(set(found))


def refuse_damaged(path: Path, workers: int = 2) -> None:
    """Stop before a store is handed on that does not hold what was written.

    Raises:
        StoreError: A file is missing or was altered.
    """
    damage = [d for d in find_damage(path, workers=workers) if not d.spares_pixels]
    if damage:
        raise StoreError(
            "the store is damaged",
            where=path.stem,
            found=f"{len(damage)} faults, first {damage[0]}",
            remedy="`pathoai store verify` lists all damage; make the store again",
        )


def _readable_labels(store: SlideStore) -> tuple[list[LabelImage], list[Damage]]:
    """The finished labels, and one line for each that is not."""
    folder, labels, damage = store.path / "labels", [], []
    try:
        listed = {group_name(name): name for name in store.labels}
    except (ValueError, TypeError, AttributeError, KeyError):
        listed = {}  # its metadata are reported as unreadable anyway
    present = {f.name for f in folder.iterdir() if f.is_dir()} if folder.exists() else set()
    for name in sorted({*listed, *present}):
        if name not in listed:
            damage.append(Damage(f"labels/{name}", "a label that the store does not list", True))
            continue
        try:
            labels.append(store.label(listed[name]))
        except StoreError as error:
            damage.append(Damage(f"labels/{name}", error.what, True))
        except (ValueError, TypeError, KeyError) as error:
            damage.append(Damage(f"labels/{name}", f"its metadata are damaged ({error})"))
    return labels, damage


def _readable_features(store: SlideStore) -> tuple[list[SlideFeatures], list[Damage]]:
    """The finished features, and one line for each that is not."""
    features, damage = [], []
    for name in feature_folders(store.path):
        try:
            features.append(store.features(name))
        except StoreError as error:
            damage.append(Damage(group_path(name), error.what, True))
        except (ValueError, TypeError, KeyError) as error:
            damage.append(Damage(group_path(name), f"its metadata are damaged ({error})"))
    return features, damage


def _metadata_of_features(path: Path, features: list[SlideFeatures]) -> list[str]:
    folders = [FEATURES] if (path / FEATURES).exists() else []
    for one in features:
        own = group_path(one.name)
        folders += [own, f"{own}/{FEATURES}", f"{own}/{ORIGINS}"]
    return [f"{folder}/{_METADATA}" for folder in folders]


def _metadata_files(store: SlideStore, labels: list[LabelImage]) -> list[str]:
    """Every metadata file that must be there, but for those of small arrays."""
    folders = [".", *(str(level) for level in range(len(store.factors)))]
    if (store.path / "labels").exists():
        folders.append("labels")
    for label in labels:
        own = f"labels/{group_name(label.name)}"
        groups = [own, *(f"{own}/{plane}" for plane in label.planes)]
        folders += groups
        folders += [f"{group}/{level}" for group in groups for level in range(len(label.factors))]
    return [(Path(folder) / _METADATA).as_posix() for folder in folders]


def _unlisted(path: Path, listed: set[str], reported: list[str]) -> list[Damage]:
    """Files that the store knows nothing of, but for those below what is reported already."""
    found = []
    for file in path.rglob("*"):
        name = file.relative_to(path)
        known = name.as_posix() in listed or name.parts[0] in _UNHASHED
        if not known and file.is_file() and not any(name.is_relative_to(r) for r in reported):
            found.append(Damage(name.as_posix(), "a file that the store does not list", True))
    return found


def _metadata_check(path: Path, name: str, store: SlideStore) -> _Check:
    def check() -> list[Damage]:
        file = path / name
        if not file.exists():
            return [Damage(name, "missing")]
        try:
            found = json.loads(file.read_text("utf8"))
        except ValueError:
            return [Damage(name, "not readable")]
        level = Path(name).parent.name
        if level.isdigit() and len(Path(name).parts) == 2:
            size = store.header.layout[int(level)].size_px
            if found.get("shape") != [3, size.height, size.width]:
                return [Damage(name, f"states another size than the store: {found.get('shape')}")]
        return []

    return check


def _hash_check(path: Path, key: str, digest: str) -> _Check:
    def check() -> list[Damage]:
        fault = fault_of_file(path / key, digest)
        return [Damage(key, fault)] if fault else []

    return check


def _icc_damage(path: Path, header: StoreHeader) -> list[Damage]:
    try:
        found: Any = zarr.open_array(path / ICC_PROFILE, mode="r", zarr_format=3)
        profile = np.asarray(found[:], np.uint8).tobytes()
    except (ValueError, RuntimeError, OSError) as error:
        return [Damage(ICC_PROFILE, f"cannot be read ({type(error).__name__})")]
    same = hashlib.sha256(profile).hexdigest() == header.icc_sha256
    return [] if same else [Damage(ICC_PROFILE, "altered")]


def _image_checks(store: SlideStore) -> Iterator[_Check]:
    """A check for each shard of the image, which decodes its chunks."""
    for level, layout in enumerate(store.header.layout):
        folder = store.path / str(level)
        chunks = CompressedChunks(folder, layout, store.slide_id)
        reader = LevelReader(folder, layout, store.slide_id)
        for shard in chunks.shards:
            yield _chunks_check(chunks, reader, shard, store.grid(level))


def _chunks_check(
    chunks: CompressedChunks, reader: LevelReader, shard: Shard, grid: Grid
) -> _Check:
    def check() -> list[Damage]:
        try:
            present = list(chunks.present_in(shard))
        except StoreError as error:
            return [Damage(f"level {chunks.level}, shard {shard[0]}/{shard[1]}", error.what)]
        found, side = [], chunks.layout.chunk_px
        for row, column in present:
            try:
                reader.chunk((row, column))
            except StoreError as error:
                where = _place(grid, column * side, row * side)
                chunk = f"level {chunks.level}, row {row}, column {column}, {where}"
                found.append(Damage(chunk, f"{error.what} ({error.found})"))
        return found

    return check


def _label_checks(path: Path, labels: list[LabelImage]) -> Iterator[_Check]:
    """A check for each shard of each label, likewise."""
    for label in labels:
        own = path / "labels" / group_name(label.name)
        for level in range(len(label.factors)):
            try:
                arrays = {own / str(level): label.array(level)}
                for name, plane in label.planes.items():
                    arrays[own / name / str(level)] = plane(level)
            except (StoreError, ValueError, TypeError, KeyError):
                continue  # the check of metadata says so
            yield from _array_checks(arrays, label.grid(level), label.name)


def _feature_checks(features: list[SlideFeatures]) -> Iterator[_Check]:
    """A check for each shard of features, likewise, and one for the places of the tiles."""
    for one in features:
        try:
            count = len(one)
        except (StoreError, ValueError, TypeError, KeyError):
            continue  # the check of metadata says so
        yield _feature_check(one, ORIGINS, slice(0, count))
        for start in range(0, count, SHARD_TILES):
            yield _feature_check(one, FEATURES, slice(start, min(start + SHARD_TILES, count)))


def _feature_check(features: SlideFeatures, array: str, tiles: slice) -> _Check:
    def check() -> list[Damage]:
        try:
            features.read(tiles) if array == FEATURES else features.origins_px
        except (StoreError, ValueError, RuntimeError, OSError) as error:
            where = f"features {features.name}, {array}, tiles {tiles.start} to {tiles.stop - 1}"
            return [Damage(where, f"cannot be decoded ({error})")]
        return []

    return check


def _array_checks(
    arrays: Mapping[Path, zarr.Array[Any]], grid: Grid, name: str
) -> Iterator[_Check]:
    for folder, array in arrays.items():
        shard_px = array.shards[-1] if array.shards else array.shape[-1]
        for shard in stored_shards(folder, array.shape, shard_px):
            rows, columns = shard_slices(shard, array.shape, shard_px)
            yield _block_check(array, (rows, columns), grid, f"label {name}, level {folder.name}")


def _block_check(
    array: zarr.Array[Any], block: tuple[slice, slice], grid: Grid, name: str
) -> _Check:
    def check() -> list[Damage]:
        try:
            array[..., block[0], block[1]]
        except (ValueError, RuntimeError, OSError) as error:
            where = _place(grid, block[1].start, block[0].start)
            return [Damage(f"{name}, {where}", f"a shard cannot be decoded ({error})")]
        return []

    return check


def _place(grid: Grid, x_px: int, y_px: int) -> str:
    corner = grid.region(x_px, y_px, 1, 1)
    return f"level-0 x={corner.x:.0f}, y={corner.y:.0f}"
