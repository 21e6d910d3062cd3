"""What a store holds and what it weighs, complete or not, without decoding a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.errors import StoreError
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.features import SlideFeatures, feature_folders, feature_names
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.label_image import LabelImage, group_name, label_names
from pathoai.store.slide_store import TISSUE, SlideStore
from pathoai.store.store_attributes import StoreAttributes, read_attributes


@dataclass(frozen=True, slots=True)
class LevelDescription:
    """One level of the image.

    Args:
        layout: How it is stored.
        present: Chunks that are stored; None where an index of them is damaged.
        possible: Chunks that would cover the level.
        file_bytes: Its size on disk.
    """

    layout: LevelLayout
    present: int | None
    possible: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class StoreDescription:
    """A store.

    Args:
        attributes: Completeness, header, hashes and the slide's own damage.
        levels: Of the image, finest first.
        labels: What each finished label says of where it comes from, by its name.
        unfinished_labels: Folders of labels that a run has not finished.
        features: What finished features say of where they come from, by their name.
        unfinished_features: Names of those that a run has not finished.
        tissue_area_mm2: None before there is a tissue mask.
        file_bytes: Size of everything on disk.
        file_count: Files on disk.
        identity: SHA-256 of header and pixels; None before the end.
    """

    attributes: StoreAttributes
    levels: tuple[LevelDescription, ...]
    labels: Mapping[str, Mapping[str, Any]]
    unfinished_labels: tuple[str, ...]
    features: Mapping[str, Mapping[str, Any]]
    unfinished_features: tuple[str, ...]
    tissue_area_mm2: float | None
    file_bytes: int
    file_count: int
    identity: str | None


def describe_store(path: Path) -> StoreDescription:
    """Look at the metadata, the shards' indices and the sizes of files.

    Raises:
        StoreError: There is no store, or its metadata are damaged.
    """
    attributes = read_attributes(path)
    try:
        return _described(path, attributes)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise StoreError(
            "the store is damaged",
            where=path.stem,
            found=str(error),
            remedy="`pathoai store verify` lists all damage; make the store again",
        ) from error


def _described(path: Path, attributes: StoreAttributes) -> StoreDescription:
    header = attributes.header
    labels = {name: LabelImage(path, name, header=header) for name in label_names(path)}
    store = SlideStore(path) if attributes.complete else None
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return StoreDescription(
        attributes,
        tuple(_level(path, header, index) for index in range(len(header.layout))),
        {name: label.about for name, label in labels.items()},
        _unfinished(path, {group_name(name) for name in labels}),
        {name: _about_features(path, name, header) for name in feature_names(path)},
        tuple(sorted({*feature_folders(path)} - {*feature_names(path)})),
        store.tissue.area_mm2 if store is not None and TISSUE in labels else None,
        sum(sizes),
        len(sizes),
        store.identity if store is not None else None,
    )


def _level(path: Path, header: StoreHeader, index: int) -> LevelDescription:
    folder, layout = path / str(index), header.layout[index]
    chunks = CompressedChunks(folder, layout, header.slide_id)
    try:
        present = sum(1 for _ in chunks.present())
    except StoreError:
        present = None
    file_bytes = sum(file.stat().st_size for file in (folder / "c").rglob("*") if file.is_file())
    return LevelDescription(layout, present, chunks.rows * chunks.columns, file_bytes)


def _about_features(path: Path, name: str, header: StoreHeader) -> Mapping[str, Any]:
    found = SlideFeatures(path, name, header=header)
    size = {"tiles": len(found), "length": int(found.features.shape[1])}
    return size | {"mpp": found.spec.mpp, "licence": found.about.get("licence", "not stated")}


def _unfinished(path: Path, finished: set[str]) -> tuple[str, ...]:
    folder = path / "labels"
    if not folder.exists():
        return ()
    return tuple(sorted(f.name for f in folder.iterdir() if f.is_dir() and f.name not in finished))
