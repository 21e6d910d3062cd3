"""The tile index of a store: the tiles of a TileSpec, in columns, as small Zarr arrays."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pathoai.errors import StoreError
from pathoai.geometry import Grid, Size
from pathoai.store.header import StoreHeader
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec

_GROUP = "tiles"


def write_tile_index(store_path: Path, tiles: TileGrid) -> None:
    """Keep a slide's tiles in its store, under ``tiles/<spec>``; what is there already stays."""
    if _kept_spec(store_path, tiles.spec) == tiles.spec:
        return
    root = zarr.open_group(store_path, mode="r+", zarr_format=3)
    root.require_group(_GROUP)
    group = root.create_group(f"{_GROUP}/{tiles.spec.key}", overwrite=True)
    group.create_array("origin_x_px", data=np.ascontiguousarray(tiles.origins_px[:, 0]))
    group.create_array("origin_y_px", data=np.ascontiguousarray(tiles.origins_px[:, 1]))
    group.create_array("tissue_fraction", data=tiles.tissue_fraction)
    group.attrs.put({"pathoai": {"spec": asdict(tiles.spec)}})


def read_tile_index(store_path: Path, header: StoreHeader, spec: TileSpec) -> TileGrid:
    """The tiles that were kept for a spec.

    Raises:
        StoreError: None were, or for a spec with another tissue fraction.
    """
    kept = _kept_spec(store_path, spec)
    if kept is None:
        raise StoreError("the store has no such tile index", where=header.slide_id, found=spec.key)
    if kept != spec:
        raise StoreError("the tile index was made for another spec", found=kept, allowed=spec)
    group = zarr.open_group(store_path / _GROUP / spec.key, mode="r", zarr_format=3)
    columns = [np.asarray(group[name]) for name in ("origin_x_px", "origin_y_px")]
    return TileGrid(
        spec,
        Grid.covering(Size(header.slide_width, header.slide_height), header.slide_mpp, spec.mpp),
        np.stack(columns, axis=1),
        np.asarray(group["tissue_fraction"]),
    )


def _kept_spec(store_path: Path, spec: TileSpec) -> TileSpec | None:
    """The spec, tissue fraction included, whose tiles lie under this spec's key, if any do."""
    path = store_path / _GROUP / spec.key
    if not (path / "zarr.json").exists():
        return None
    # Written last: an index without it was left by a run that was killed.
    about: Any = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs).get("pathoai")
    return TileSpec(**about["spec"]) if about else None
