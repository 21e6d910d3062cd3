"""Making a slide's store: the image, level by level, then its completion mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pathoai.errors import StoreError
from pathoai.store import ome
from pathoai.store.coarser_levels import coarser_levels
from pathoai.store.header import ICC_PROFILE, SCHEMA, LevelLayout, StoreHeader
from pathoai.store.level_reader import WHITE, LevelReader
from pathoai.store.level_writing import LEVELS_AT_ONCE, LevelsWriting
from pathoai.store.shards import ShardWriter, create_array, remove_partial_writes
from pathoai.store.write_journal import WriteJournal


class ImageWriter:
    """The image of a store under construction.

    A store that an earlier run left unfinished is continued, provided that it has the same header.

    Raises:
        StoreError: A store of another slide or with other settings lies there.
    """

    def __init__(self, path: Path, header: StoreHeader, *, icc_profile: bytes = b"") -> None:
        """Create the arrays, or find those of an unfinished run."""
        self.path = path
        self.header = header
        self.journal = WriteJournal(path)
        self.stain_profile: Mapping[str, Any] | None = None
        """The slide's own, where the pixels were normalised; noted in the finished store."""
        if (path / "zarr.json").exists():
            self._group = zarr.open_group(path, mode="r+", zarr_format=3)
            _check_same(self._group, header)
            remove_partial_writes(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            # In one write: a group without its header could be neither continued nor refused.
            self._group = zarr.create_group(
                path, zarr_format=3, attributes=self._attributes(complete=False)
            )
        if icc_profile and ICC_PROFILE not in self._group:
            self._group.create_array(ICC_PROFILE, data=np.frombuffer(icc_profile, np.uint8))
        self.levels = [self._level(i, layout) for i, layout in enumerate(header.layout)]

    @property
    def finest(self) -> ShardWriter:
        """The writer of level 0."""
        return self.levels[0]

    def _level(self, index: int, layout: LevelLayout) -> ShardWriter:
        found = self._group.get(str(index))
        if not isinstance(found, zarr.Array):
            found = create_array(
                self._group,
                str(index),
                (3, layout.size_px.height, layout.size_px.width),
                fill=WHITE,
                coding=layout.coding,
                chunk_px=layout.chunk_px,
                shard_px=layout.shard_px,
            )
        return ShardWriter(self.path, found, self.journal, layout.coding)

    def _attributes(self, *, complete: bool) -> dict[str, Any]:
        header = self.header
        return {
            "ome": ome.image_attributes(header.slide_id, header.factors, header.pixel_mpp),
            "pathoai": {
                "schema": SCHEMA,
                "complete": complete,
                "header": header.to_dict(),
                "stain_profile": self.stain_profile,
                "damaged": [],
                "shards": {},
            },
        }

    def levels_from(self, first: int) -> Sequence[ShardWriter]:
        """The writers of the levels that are made in one pass, from the given one on."""
        return self.levels[first : first + LEVELS_AT_ONCE]

    def finish(self, pool: Executor | None = None, *, made: int | None = None) -> None:
        """Build the coarser levels, note the hash of every shard, mark the store complete.

        Args:
            pool: Threads to work in; without any, one is made.
            made: How many levels are made already, from the finest; without, those that are copied
                or the finest.
        """
        first = made or len(self.header.copied) or 1
        with nullcontext(pool) if pool else ThreadPoolExecutor(1) as threads:
            for start in range(first, len(self.levels), LEVELS_AT_ONCE):
                for _ in self._coarser_levels(start).run(threads):
                    """Each shard is recorded as it is written."""
        attributes = self._attributes(complete=True)
        hashes: dict[str, str] = {}
        for index in range(len(self.levels)):
            hashes |= self.journal.hashes(str(index))
        attributes["pathoai"]["shards"] = hashes
        attributes["pathoai"]["damaged"] = [
            [d.level, d.row, d.column, d.reason] for d in self.journal.damaged
        ]
        self._group.attrs.put(attributes)
        self.journal.forget()

    def _coarser_levels(self, first: int) -> LevelsWriting:
        layout = self.header.layout[first - 1]
        below = LevelReader(self.path / str(first - 1), layout, self.header.slide_id)
        return coarser_levels(first, below, self.levels_from(first))


def _check_same(group: zarr.Group, header: StoreHeader) -> None:
    attributes = dict(group.attrs).get("pathoai")
    found = attributes.get("header") if isinstance(attributes, dict) else None
    wanted = header.to_dict()
    if found == wanted:
        return
    if isinstance(found, dict) and found | {"made_on": header.made_on} == wanted:
        raise StoreError(
            "the store was begun on another device, whose pixels differ a little",
            where=header.slide_id,
            found=header.made_on,
            allowed=found.get("made_on"),
            remedy="go on there (see --device), or delete the store to make it again",
        )
    raise StoreError(
        "another store lies where this one should go",
        where=header.slide_id,
        found="other settings or another version of the slide",
        allowed=f"mpp {header.mpp:g}, encoding {header.encoding}, tissue by {header.tissue_method}",
        remedy="use the settings of the first run, or delete the store to make it again",
    )
