"""Making a slide's store: the image, level by level, then its completion mark."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import zarr

from pathoai.errors import StoreError
from pathoai.store import ome
from pathoai.store.header import SCHEMA, StoreHeader
from pathoai.store.pyramid import build_level, level_factors, mean_of_four
from pathoai.store.shards import (
    ShardWriter,
    WriteJournal,
    create_array,
    remove_partial_writes,
)

WHITE = 255


class ImageWriter:
    """The image of a store under construction.

    A store that an earlier run left unfinished is continued, provided that it has the same header.

    Raises:
        StoreError: A store of another slide or with other settings lies there.
    """

    def __init__(self, path: Path, header: StoreHeader) -> None:
        """Create the arrays, or find those of an unfinished run."""
        self.path = path
        self.header = header
        self.factors = level_factors(header.grid)
        self._journal = WriteJournal(path)
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
        self._levels = [self._level(i, factor) for i, factor in enumerate(self.factors)]
        self.finest = ShardWriter(path, self._levels[0], self._journal)

    def _level(self, index: int, factor: int) -> zarr.Array[Any]:
        if str(index) in self._group:
            found = self._group[str(index)]
            if isinstance(found, zarr.Array):
                return found
        grid = self.header.grid
        size = grid.coarser(factor).size_px if factor > 1 else grid.size_px
        return create_array(
            self._group, str(index), (3, size.height, size.width), fill=WHITE, overwrite=True
        )

    def _attributes(self, *, complete: bool) -> dict[str, Any]:
        return {
            "ome": ome.image_attributes(self.header.slide_id, self.factors, self.header.mpp),
            "pathoai": {
                "schema": SCHEMA,
                "complete": complete,
                "header": self.header.to_dict(),
                "shards": {},
            },
        }

    def finish(self) -> None:
        """Build the coarser levels, note the hash of every shard, mark the store complete."""
        for below, level in pairwise(self._levels):
            build_level(below, ShardWriter(self.path, level, self._journal), mean_of_four)
        attributes = self._attributes(complete=True)
        hashes: dict[str, str] = {}
        for index in range(len(self._levels)):
            hashes |= self._journal.hashes(str(index))
        attributes["pathoai"]["shards"] = hashes
        self._group.attrs.put(attributes)
        self._journal.forget()


def _check_same(group: zarr.Group, header: StoreHeader) -> None:
    found = dict(group.attrs).get("pathoai")
    if isinstance(found, dict) and found.get("header") == header.to_dict():
        return
    raise StoreError(
        "another store lies where this one should go",
        where=header.slide_id,
        found="other settings or another version of the slide",
        allowed=f"mpp {header.mpp:g}, encoding {header.encoding}, tissue by {header.tissue_method}",
        remedy="use the settings of the first run, or delete the store to make it again",
    )
