"""Reading a store: pixels of any tile at any scale, and its labels."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.geometry import Grid, Region, Size
from pathoai.slide.icc import SrgbTransform
from pathoai.slide.reader import Level, SlideInfo
from pathoai.slide.source_window import SourceWindow
from pathoai.store.chunk_plan import ChunkPlan
from pathoai.store.features import SlideFeatures, feature_names
from pathoai.store.header import ICC_PROFILE, SCHEMA, StoreHeader
from pathoai.store.label_image import LabelImage, label_names
from pathoai.store.level_reader import WHITE, LevelReader, paste
from pathoai.store.read_tiles import read_tiles
from pathoai.store.shards import check_hashes
from pathoai.store.write_journal import DamagedChunk
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import TissueMask

TISSUE = "tissue"
_LARGEST_DRIFT_PX = 0.5


class SlideStore:
    """A finished store, open for reading.

    Args:
        path: The Zarr group.

    Attributes:
        damaged: Chunks that the slide could not give; they read as white.

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
        self.damaged = tuple(DamagedChunk(*chunk) for chunk in attributes["damaged"])
        self._group = zarr.open_group(path, mode="r", zarr_format=3)
        self.factors = self.header.factors
        self._to_srgb = self._colour_transform()
        self._levels = [
            LevelReader(path / str(level), layout, self.slide_id)
            for level, layout in enumerate(self.header.layout)
        ]

    def __reduce__(self) -> tuple[type[SlideStore], tuple[Path]]:
        """Another process opens the store for itself."""
        return type(self), (self.path,)

    def _colour_transform(self) -> SrgbTransform | None:
        """What is done to pixels as they are read: copied tiles keep the scanner's colours."""
        if self.header.colour != "srgb" or self.header.encoding != "source":
            return None
        return SrgbTransform(self.icc_profile)

    @property
    def icc_profile(self) -> bytes:
        """The slide's ICC profile; empty where it has none."""
        found = self._group.get(ICC_PROFILE)
        return np.asarray(found[:]).tobytes() if isinstance(found, zarr.Array) else b""

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
    def pixels_sha256(self) -> str:
        """SHA-256 of the pixels alone: equal for one scan in two files; empty if all is glass."""
        from pathoai.provenance import sha256_of_json

        return sha256_of_json(self._shards) if self._shards else ""

    @property
    def slide(self) -> SlideInfo:
        """The slide as tiling sees it: its canvas and scale."""
        size = Size(self.header.slide_width, self.header.slide_height)
        return SlideInfo(
            self.slide_id,
            (Level(size, 1.0),),
            self.header.slide_mpp,
            objective_power=self.header.objective_power,
            bounds=None if self.header.bounds is None else Region(*self.header.bounds),
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
        reader, out = (
            self._levels[level],
            np.full((size_px.height, size_px.width, 3), WHITE, np.uint8),
        )
        left, top = max(x_px, 0), max(y_px, 0)
        right = min(x_px + size_px.width, reader.layout.size_px.width)
        bottom = min(y_px + size_px.height, reader.layout.size_px.height)
        if left < right and top < bottom:
            block = reader.block(slice(top, bottom), slice(left, right))
            paste(block, out, left - x_px, top - y_px)
        return out if self._to_srgb is None else self._to_srgb(out)

    def read_tiles(
        self,
        level: int,
        origins_px: NDArray[np.int64],
        size_px: int,
        pool: Executor | None = None,
    ) -> NDArray[np.uint8]:
        """Many square tiles of one level, ``(N, size_px, size_px, 3)`` uint8, white outside.

        Each chunk is decoded once, however many tiles share it.

        Args:
            level: Index of the level.
            origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of the level.
            size_px: Side of the tiles, likewise.
            pool: Threads to decode in; the codecs run without the GIL.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        tiles = read_tiles(self._levels[level], origins_px, size_px, pool)
        return tiles if self._to_srgb is None else self._to_srgb(tiles)

    def chunk_plan(self, level: int, origins_px: NDArray[np.int64], size_px: int) -> ChunkPlan:
        """Which chunks square tiles of a level need, and where their parts belong.

        Args:
            level: Index of the level.
            origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of the level.
            size_px: Side of the tiles, likewise.
        """
        return ChunkPlan.of(self.header.layout[level], origins_px, Size(size_px, size_px))

    def compressed_chunks(self, level: int, chunks: NDArray[np.int64]) -> list[bytes | None]:
        """Chunks of a level as they are stored, to be decoded elsewhere, e.g. on a GPU.

        Args:
            level: Index of the level; ``header.layout[level].coding`` says what the bytes are.
            chunks: ``(C, 2)`` int64: row and column, as a plan has them.

        Returns:
            A whole picture each, as the scanner's colours; None for absent chunks, which are white.

        Raises:
            StoreError: A shard cannot be read.
        """
        return self._levels[level].compressed.read_many(map(tuple, chunks.tolist()))

    def read_region(self, region: Region, size_px: Size) -> NDArray[np.uint8]:
        """A rectangle of the slide, resampled where no level has just that scale.

        Args:
            region: In level-0 pixels of the slide.
            size_px: Size of the result.

        Returns:
            ``(height, width, 3)`` uint8.
        """
        level = self.level_for(region.width / size_px.width)
        grid = self.grid(level)
        window = SourceWindow.of(
            region.x / grid.downsample_x,
            region.y / grid.downsample_y,
            size_px,
            ratio_x=region.width / size_px.width / grid.downsample_x,
            ratio_y=region.height / size_px.height / grid.downsample_y,
        )
        return window.resampled(self.read(level, window.x_px, window.y_px, window.span_px))

    def read_grid(self, grid: Grid, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """A block of any raster over the slide, ``(height, width, 3)`` uint8.

        Where a level has so nearly the same scale that the block drifts by less than half a pixel,
        the level's own pixels are given: resampling by so little only costs sharpness.

        Args:
            grid: The raster.
            x_px: Left edge in pixels of ``grid``; may be negative.
            y_px: Top edge likewise.
            size_px: Size of the block, likewise.
        """
        region = grid.region(x_px, y_px, size_px.width, size_px.height)
        level = self.level_like(grid, size_px)
        if level is None:
            return self.read_region(region, size_px)
        own = self.grid(level)
        x, y = region.x / own.downsample_x, region.y / own.downsample_y
        return self.read(level, round(x), round(y), size_px)

    def level_like(self, grid: Grid, size_px: Size) -> int | None:
        """The level whose pixels serve as those of a raster, for a block of some size."""
        for level in range(len(self.factors)):
            own = self.grid(level)
            drift_x = abs(grid.downsample_x / own.downsample_x - 1) * size_px.width
            drift_y = abs(grid.downsample_y / own.downsample_y - 1) * size_px.height
            if max(drift_x, drift_y) < _LARGEST_DRIFT_PX:
                return level
        return None

    def level_for(self, downsample: float) -> int:
        """The coarsest level that is no coarser than wanted, or the finest.

        Args:
            downsample: Level-0 pixels of the slide per wanted pixel, along x.
        """
        wanted = max(1.0, downsample / self.header.grid.downsample_x * 1.01)
        return max(level for level, factor in enumerate(self.factors) if factor <= wanted)

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
    def feature_names(self) -> tuple[str, ...]:
        """Names of the finished features, which are those of encoders."""
        return feature_names(self.path)

    def features(self, name: str) -> SlideFeatures:
        """The features of the slide's tiles that an encoder gave; vectors are read when asked for.

        Raises:
            StoreError: There are none of that name, or they are not complete.
        """
        return SlideFeatures(self.path, name, header=self.header)

    @property
    def tissue_if_known(self) -> TissueMask | None:
        """The tissue mask that the store was made with; None where it was made without one."""
        return self.tissue if TISSUE in self.labels else None

    @property
    def tissue_if_readable(self) -> TissueMask | None:
        """The same; None also where it is damaged, for what can be done without it."""
        try:
            return self.tissue_if_known
        except StoreError:
            return None

    @property
    def tissue(self) -> TissueMask:
        """The tissue mask that the store was made with.

        Raises:
            StoreError: The store has none, or it is damaged.
        """
        label = self.label(TISSUE)
        return TissueMask(
            label.read_all() == 1,
            label.grid(),
            label.mpp,
            str(label.about.get("method", "unknown")),
        )

    def tiles(self, spec: TileSpec) -> TileGrid:
        """The tiles of this slide with enough tissue and without damage, at any scale.

        Raises:
            NoTissueError: No tile has enough.
        """
        tiles = TileGrid.over_tissue(spec, self.slide, self.tissue)
        return tiles.without(self.damaged_regions)

    @property
    def damaged_regions(self) -> list[Region]:
        """Where the slide could not be read, in level-0 pixels of the slide."""
        return [self._region_of(chunk) for chunk in self.damaged]

    def _region_of(self, chunk: DamagedChunk) -> Region:
        """Where a chunk of a level lies, in level-0 pixels of the slide."""
        side, grid = self.header.layout[chunk.level].chunk_px, self.grid(chunk.level)
        return grid.region(chunk.column * side, chunk.row * side, side, side)

    def verify(self) -> None:
        """Compare every shard of image, labels and features with the hash the store holds.

        Raises:
            StoreError: A shard is missing or was altered.
        """
        check_hashes(self.path, self._shards)
        for name in self.labels:
            check_hashes(self.path, self.label(name).shards)
        for name in self.feature_names:
            check_hashes(self.path, self.features(name).shards)


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
