"""A store as an OME-Zarr 0.4 image (https://ngff.openmicroscopy.org/0.4/), labels included.

For readers that know neither Zarr v3, nor shards, nor JPEG chunks: Zarr v2, one file per chunk,
compressed with Blosc and Zstandard. A colour profile has no place in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.common import JSON

from pathoai.geometry import Size
from pathoai.progress import Advance, silent
from pathoai.store.label_image import group_name
from pathoai.store.new_target import new_target
from pathoai.store.shards import Shard, shard_slices
from pathoai.store.slide_store import SlideStore
from pathoai.store.stored_shards import stored_shards
from pathoai.store.verify_store import refuse_damaged

VERSION = "0.4"
# Bit shuffling (2) gains 11 % on tissue.
_BLOSC: dict[str, JSON] = {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2}

ReadBlock = Callable[[slice, slice], NDArray[Any]]
"""From rows and columns to the pixels there."""


def export_ome_zarr(
    store: SlideStore, target: Path, *, workers: int = 2, advance: Advance = silent
) -> None:
    """Write a store's image and all its finished labels; pixels are equal to those of the store.

    Args:
        store: The store.
        target: The folder to make.
        workers: Threads, each of which holds one shard of pixels.
        advance: Told of shards done, and of those in all.

    Raises:
        InvalidValueError: Something lies at the target, or it lies in the store.
        StoreError: The store is damaged.
    """
    refuse_damaged(store.path, workers)
    with (
        new_target(target, outside=store.path) as path,
        ThreadPoolExecutor(workers) as pool,
    ):
        root = zarr.create_group(path, zarr_format=2, attributes=_as_v04(_ome(store.path)))
        copies = [*_image(store, root), *_labels(store, root)]
        work = list(
            chain.from_iterable(((copy, shard) for shard in copy.shards) for copy in copies)
        )
        for done, _ in enumerate(pool.map(lambda item: item[0].write(item[1]), work), start=1):
            advance(done, len(work))


@dataclass(frozen=True, eq=False)
class _ArrayCopy:
    """One array of the store, and the array of the export that it becomes."""

    folder: Path
    source: zarr.Array[Any]
    read: ReadBlock
    target: zarr.Array[Any]

    @property
    def shards(self) -> Iterator[Shard]:
        """The shards that have a file: all else is the fill value, here and there."""
        return stored_shards(self.folder, self.source.shape, self._shard_px)

    @property
    def _shard_px(self) -> int:
        assert self.source.shards is not None
        return int(self.source.shards[-1])

    def write(self, shard: Shard) -> None:
        """Copy the pixels of one shard; chunks do not cross shards, so none has two writers."""
        rows, columns = shard_slices(shard, self.source.shape, self._shard_px)
        self.target[..., rows, columns] = self.read(rows, columns)


def _image(store: SlideStore, root: zarr.Group) -> Iterator[_ArrayCopy]:
    for level in range(len(store.factors)):
        source = store.array(level)
        target = _create(root, str(level), source)
        yield _ArrayCopy(store.path / str(level), source, _pixels_of(store, level), target)


def _pixels_of(store: SlideStore, level: int) -> ReadBlock:
    """Blocks of a level as the store hands them out, which is what an export must equal."""

    def read(rows: slice, columns: slice) -> np.ndarray[Any, np.dtype[np.uint8]]:
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        return store.read(level, columns.start, rows.start, size).transpose(2, 0, 1)

    return read


def _labels(store: SlideStore, root: zarr.Group) -> Iterator[_ArrayCopy]:
    if not store.labels:
        return
    names = [group_name(name) for name in store.labels]
    group = root.create_group("labels", attributes={"labels": names})
    for name in store.labels:
        label, folder = store.label(name), store.path / "labels" / group_name(name)
        attributes = _as_v04(_ome(folder)) | {"pathoai": {"about": label.about}}
        inner = group.create_group(group_name(name), attributes=attributes)
        maps = [label.array(level) for level in range(len(label.factors))]
        yield from _levels(maps, inner, folder)
        for part, plane in label.planes.items():
            beside = inner.create_group(part, attributes=_as_v04(_ome(folder / part)))
            planes = [plane(level) for level in range(len(label.factors))]
            yield from _levels(planes, beside, folder / part)


def _levels(
    sources: Sequence[zarr.Array[Any]], group: zarr.Group, folder: Path
) -> Iterator[_ArrayCopy]:
    for level, source in enumerate(sources):
        target = _create(group, str(level), source)
        yield _ArrayCopy(folder / str(level), source, _values_of(source), target)


def _values_of(source: zarr.Array[Any]) -> ReadBlock:
    return lambda rows, columns: np.asarray(source[..., rows, columns])


def _create(group: zarr.Group, name: str, source: zarr.Array[Any]) -> zarr.Array[Any]:
    """An array of the same shape, chunks and fill value; chunks of nothing else stay absent."""
    return group.create_array(
        name,
        shape=source.shape,
        dtype=source.dtype,
        chunks=source.chunks,
        fill_value=source.fill_value,
        compressors=_BLOSC,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )


def _ome(folder: Path) -> Mapping[str, Any]:
    """What OME-Zarr 0.5 says of a group of the store."""
    found: Any = zarr.open_group(folder, mode="r", zarr_format=3).attrs["ome"]
    return found  # type: ignore[no-any-return]  # zarr's attributes are any JSON


def _as_v04(ome: Mapping[str, Any]) -> dict[str, Any]:
    """The same in version 0.4, which has no ``ome`` around it and a version in each part."""
    parts: dict[str, Any] = {k: v for k, v in ome.items() if k != "version"}
    scales = [entry | {"version": VERSION} for entry in parts["multiscales"]]
    versioned = {k: parts[k] | {"version": VERSION} for k in ("omero", "image-label") if k in parts}
    return parts | {"multiscales": scales} | versioned
