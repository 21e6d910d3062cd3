"""Reading a store: pixels of any tile at any scale, and its labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import StoreError
from pathoai.geometry import Grid, Region, Size
from pathoai.slide.reader import Level, SlideInfo
from pathoai.store.header import SCHEMA, StoreHeader
from pathoai.store.image_writer import WHITE
from pathoai.store.label_image import LabelImage, label_names
from pathoai.store.pyramid import level_factors
from pathoai.store.shards import check_hashes
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask

TISSUE = "tissue"


class SlideStore:
    """A finished store, open for reading.

    Args:
        path: The Zarr group.

    Raises:
        StoreError: Nothing lies there, it is no store of this version, or it is not complete.
    """

    def __init__(self, path: Path) -> None:
        """Read the metadata; no pixel is read."""
        self.path = path
        attributes = _attributes(path)
        if not attributes["complete"]:
            raise StoreError(
                "the store is not complete: an earlier run was interrupted",
                where=path.stem,
                remedy="run `pathoai tile` again; it goes on where it stopped",
            )
        self.header = StoreHeader.from_dict(attributes["header"])
        self._shards: dict[str, str] = attributes["shards"]
        self._group = zarr.open_group(path, mode="r", zarr_format=3)
        self.factors = level_factors(self.header.grid)

    @property
    def slide_id(self) -> str:
        """Coded id of the slide."""
        return self.header.slide_id

    @property
    def mpp(self) -> float:
        """Scale of the finest level, µm per pixel."""
        return self.header.mpp

    @property
    def identity(self) -> str:
        """SHA-256 over the hashes of all image shards: changes with any pixel."""
        from pathoai.provenance import sha256_of_json

        return sha256_of_json({"header": self.header.to_dict(), "shards": self._shards})

    @property
    def slide(self) -> SlideInfo:
        """The slide as tiling sees it: its canvas and scale."""
        size = Size(self.header.slide_width, self.header.slide_height)
        return SlideInfo(
            self.slide_id,
            (Level(size, 1.0),),
            self.header.slide_mpp,
            objective_power=self.header.objective_power,
            vendor=self.header.vendor,
            quickhash=self.header.quickhash,
        )

    def grid(self, level: int = 0) -> Grid:
        """The raster of a level over the slide."""
        factor = self.factors[level]
        return self.header.grid.coarser(factor) if factor > 1 else self.header.grid

    def array(self, level: int) -> zarr.Array[Any]:
        """The array of a level, ``(3, height, width)`` uint8, white where absent."""
        found = self._group[str(level)]
        if not isinstance(found, zarr.Array):
            raise StoreError("a level is not an array", where=f"{self.slide_id} level {level}")
        return found

    def read(self, level: int, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels of one level, ``(height, width, 3)`` uint8; white outside the image.

        Args:
            level: Index of the level.
            x_px: Left edge in pixels of that level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, in pixels of that level.
        """
        array = self.array(level)
        height, width = array.shape[1:]
        left, top = max(x_px, 0), max(y_px, 0)
        right, bottom = min(x_px + size_px.width, width), min(y_px + size_px.height, height)
        out = np.full((size_px.height, size_px.width, 3), WHITE, np.uint8)
        if left < right and top < bottom:
            block = np.asarray(array[:, top:bottom, left:right])
            out[top - y_px : bottom - y_px, left - x_px : right - x_px] = block.transpose(1, 2, 0)
        return out

    def read_region(self, region: Region, size_px: Size) -> NDArray[np.uint8]:
        """A rectangle of the slide, resampled where no level has just that scale.

        Args:
            region: In level-0 pixels of the slide.
            size_px: Size of the result.

        Returns:
            ``(height, width, 3)`` uint8.
        """
        downsample = region.width / size_px.width / self.header.grid.downsample_x
        level = max(i for i, f in enumerate(self.factors) if f <= max(1.0, downsample * 1.01))
        grid = self.grid(level)
        left, top = region.x / grid.downsample_x, region.y / grid.downsample_y
        right, bottom = region.right / grid.downsample_x, region.bottom / grid.downsample_y
        x_px, y_px = math.floor(left + 1e-6), math.floor(top + 1e-6)
        span = Size(math.ceil(right - 1e-6) - x_px, math.ceil(bottom - 1e-6) - y_px)
        pixels = self.read(level, x_px, y_px, span)
        if span == size_px and max(abs(left - x_px), abs(top - y_px)) < 1e-3:
            return pixels
        box = (
            max(0.0, left - x_px),
            max(0.0, top - y_px),
            min(float(span.width), right - x_px),
            min(float(span.height), bottom - y_px),
        )
        image = Image.fromarray(pixels)
        # Bilinear in PIL widens its support when it shrinks: antialiased both ways.
        return np.asarray(
            image.resize((size_px.width, size_px.height), Image.Resampling.BILINEAR, box=box)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the finished labels, e.g. ``tissue`` or ``prediction/nuclei``."""
        return label_names(self.path)

    def label(self, name: str) -> LabelImage:
        """A label of this store.

        Raises:
            StoreError: There is none of that name, or it is not complete.
        """
        return LabelImage(self.path, name, header=self.header)

    @property
    def tissue(self) -> TissueMask:
        """The tissue mask that the store was made with.

        Raises:
            StoreError: The store has none.
        """
        label = self.label(TISSUE)
        return TissueMask(
            label.read_all() == 1,
            label.grid(),
            label.mpp,
            str(label.about.get("method", "unknown")),
        )

    def tiles(self, spec: TileSpec) -> TileGrid:
        """The tiles of this slide with enough tissue, at any scale.

        Raises:
            NoTissueError: No tile has enough.
        """
        return TileGrid.over_tissue(spec, self.slide, self.tissue)

    def verify(self) -> None:
        """Compare every shard of the image and of its labels with the hash the store holds.

        Raises:
            StoreError: A shard is missing or was altered.
        """
        check_hashes(self.path, self._shards)
        for name in self.labels:
            check_hashes(self.path, self.label(name).shards)


def is_complete(path: Path) -> bool:
    """True for a finished store; False for none or an unfinished one.

    Raises:
        StoreError: Something else lies there.
    """
    return (path / "zarr.json").exists() and bool(_attributes(path)["complete"])


def _attributes(path: Path) -> dict[str, Any]:
    where, remedy = path.stem, "make it with `pathoai tile STUDY`"
    if not (path / "zarr.json").exists():
        raise StoreError("there is no store for this slide", where=where, remedy=remedy)
    try:
        found = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs).get("pathoai")
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise StoreError("the store cannot be read", where=where, found=str(error)) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise StoreError(
            "not a store of this version of pathoai",
            where=where,
            found=f"schema {found.get('schema') if isinstance(found, dict) else 'none'}",
            allowed=f"schema {SCHEMA}",
            remedy=remedy,
        )
    return found
