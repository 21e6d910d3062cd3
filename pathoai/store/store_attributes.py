"""What a store notes of its own making, complete or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from pathoai.errors import StoreError
from pathoai.store.header import StoreHeader
from pathoai.store.slide_store import is_complete
from pathoai.store.write_journal import DamagedChunk, WriteJournal


@dataclass(frozen=True, slots=True)
class StoreAttributes:
    """What stands beside the OME-Zarr metadata.

    Args:
        complete: False while a run is at work, or after it was interrupted.
        header: Identity, scale and encoding.
        shards: SHA-256 of the image's files by their path; none before the end.
        damaged: Chunks that the slide's file could not give.
    """

    complete: bool
    header: StoreHeader
    shards: Mapping[str, str]
    damaged: tuple[DamagedChunk, ...]


def read_attributes(path: Path) -> StoreAttributes:
    """The attributes of a store; of an unfinished one, what its journal knows so far.

    Raises:
        StoreError: There is no store, it is of another version, or its attributes are damaged.
    """
    complete = is_complete(path)
    if not (path / "zarr.json").exists():
        raise StoreError(
            "there is no store for this slide",
            where=path.stem,
            remedy="make it with `pathoai tile STUDY`",
        )
    found: Any = zarr.open_group(path, mode="r", zarr_format=3).attrs["pathoai"]
    try:
        header = StoreHeader.from_dict(found["header"])
        if not complete:
            return StoreAttributes(False, header, {}, WriteJournal(path).damaged)
        damaged = tuple(DamagedChunk(*entry) for entry in found["damaged"])
        return StoreAttributes(True, header, dict(found["shards"]), damaged)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            "the store's attributes are damaged", where=path.stem, found=str(error)
        ) from error
