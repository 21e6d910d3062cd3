"""Features of a store: one vector per tile, from an encoder, in columns under ``features/<name>``.

::

    features/<name>/origins_px   (N, 2) int32: x and y of each tile, in pixels at the tiles' scale
    features/<name>/features     (N, D) float16 or float32, in shards of 512 tiles

A shard is the unit of writing, as of pixels: written beside its place, renamed, its hash appended
to a journal beside the store. A killed run goes on at the first shard that is not done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import imagecodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid, Region, Size
from pathoai.store.header import StoreHeader
from pathoai.store.shard_file import join_chunks
from pathoai.store.shards import remove_partial_writes, write_parts
from pathoai.store.write_journal import WriteJournal
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec

FEATURES = "features"
ORIGINS = "origins_px"
CHUNK_TILES = 128
SHARD_TILES = 512
"""What a killed run loses at most: a second on a GPU, minutes on a CPU."""

Precision = Literal["float16", "float32"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BLOSC_LEVEL = 3


def group_path(name: str) -> str:
    """Where the features of a name lie in a store."""
    return f"{FEATURES}/{name}"


def journal_name(name: str) -> str:
    """By which the journal of features goes."""
    return f"{FEATURES}.{name}"


@dataclass(frozen=True)
class FeatureRecipe:
    """What features are.

    Args:
        name: E.g. the key of the encoder.
        spec: The tiles.
        embedding: Length of a vector.
        about: Where they come from: encoder, hash of its weights, licence, identity of the store.
        precision: Of the numbers that are kept.
        made_with: What changes the last bits, but not what the features are: batch size, device.
    """

    name: str
    spec: TileSpec
    embedding: int
    about: Mapping[str, Any]
    precision: Precision = "float16"
    made_with: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse names that are no folder, and numbers that no reader knows."""
        if not _NAME.fullmatch(self.name):
            raise InvalidValueError(
                "malformed name of features",
                found=repr(self.name),
                allowed="letters, digits, '.', '_' or '-'",
            )
        if self.precision not in get_args(Precision):
            raise InvalidValueError(
                "precision of features",
                found=repr(self.precision),
                allowed=", ".join(get_args(Precision)),
            )

    def attributes(self, hashes: Mapping[str, str] | None = None) -> dict[str, Any]:
        """As they are written into the group; complete once there are hashes."""
        return {
            "complete": hashes is not None,
            "spec": asdict(self.spec),
            "about": dict(self.about),
            "precision": self.precision,
            "made_with": dict(self.made_with or {}),
            "shards": dict(hashes or {}),
        }

    def is_that_of(self, attributes: Mapping[str, Any]) -> bool:
        """True where attributes say the same of what the features are."""
        own = self.attributes()
        return all(attributes.get(key) == own[key] for key in ("spec", "about", "precision"))


class FeatureWriter:
    """Features under construction; those of the name but of another recipe are replaced.

    Args:
        store_path: The store; whoever writes holds its lock.
        tiles: The tiles, in the order of the vectors.
        recipe: What the features are.
    """

    def __init__(self, store_path: Path, tiles: TileGrid, recipe: FeatureRecipe) -> None:
        """Create the arrays, or find those of an unfinished run of the same recipe."""
        self._store_path, self._recipe = store_path, recipe
        self._path = group_path(recipe.name)
        self._count = len(tiles)
        self._journal = WriteJournal.of_part(store_path, journal_name(recipe.name))
        self._group = self._open_or_create()
        origins = tiles.origins_px.astype("<i4")
        if not self._journal.is_done(store_path, self._origins_key):
            data = _encoded(origins)
            self._journal.record(self._origins_key, self._write(self._origins_key, [data]))

    def _open_or_create(self) -> zarr.Group:
        attributes = _attributes(self._store_path, self._recipe.name)
        root = zarr.open_group(self._store_path, mode="r+", zarr_format=3)
        own = self._recipe.attributes()
        if attributes == own:
            remove_partial_writes(self._store_path / self._path)
            group = root[self._path]
            assert isinstance(group, zarr.Group)
            return group
        root.require_group(FEATURES)
        group = root.create_group(self._path, overwrite=True)
        self._journal.forget()
        self._create_arrays(group)
        # Last: a group without them was left by a run that was killed, and is made again.
        group.attrs.put({"pathoai": own})
        return group

    def _create_arrays(self, group: zarr.Group) -> None:
        dtype = np.dtype(self._recipe.precision)
        for name, width, kind, chunk, shard in (
            (ORIGINS, 2, np.dtype(np.int32), self._count, None),
            (FEATURES, self._recipe.embedding, dtype, CHUNK_TILES, SHARD_TILES),
        ):
            group.create_array(
                name,
                shape=(self._count, width),
                dtype=kind,
                chunks=(chunk, width),
                shards=None if shard is None else (shard, width),
                fill_value=0,
                compressors=BloscCodec(cname="zstd", clevel=_BLOSC_LEVEL, shuffle="bitshuffle"),
                dimension_names=("tile", "xy" if name == ORIGINS else "feature"),
            )

    @property
    def _origins_key(self) -> str:
        return f"{self._path}/{ORIGINS}/c/0/0"

    def _key(self, shard: int) -> str:
        return f"{self._path}/{FEATURES}/c/{shard}/0"

    @property
    def shards(self) -> range:
        """All shards."""
        return range(-(-self._count // SHARD_TILES))

    def rows(self, shard: int) -> slice:
        """The tiles whose vectors a shard holds."""
        return slice(shard * SHARD_TILES, min((shard + 1) * SHARD_TILES, self._count))

    def is_done(self, shard: int) -> bool:
        """True where the shard needs no work."""
        return self._journal.is_done(self._store_path, self._key(shard))

    def write(self, shard: int, vectors: NDArray[np.floating[Any]]) -> None:
        """Write a whole shard and note it as done.

        Args:
            shard: Its number.
            vectors: ``(tiles of the shard, embedding)`` float.

        Raises:
            StoreError: They are not those of a whole shard, or not all are finite at the precision.
        """
        rows = self.rows(shard)
        expected = (rows.stop - rows.start, self._recipe.embedding)
        if vectors.shape != expected:
            raise StoreError(
                "a shard is written whole or not at all", found=vectors.shape, allowed=expected
            )
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            kept = vectors.astype(np.dtype(self._recipe.precision).newbyteorder("<"))
        if not np.isfinite(kept).all():
            raise StoreError(
                "a feature is not a finite number",
                where=f"{self._store_path.stem} {self._recipe.name}",
                allowed=f"what {self._recipe.precision} can hold",
                remedy="use float32; if that fails too, the weights do not fit the encoder",
            )
        chunks = [
            _encoded(_filled_up(kept[start : start + CHUNK_TILES])) if start < len(kept) else None
            for start in range(0, SHARD_TILES, CHUNK_TILES)
        ]
        key = self._key(shard)
        self._journal.record(key, self._write(key, join_chunks(chunks)))

    def _write(self, key: str, parts: list[bytes]) -> str:
        return write_parts(self._store_path / key, parts)

    def finish(self) -> None:
        """Note every hash and mark the features complete."""
        hashes = self._journal.hashes(self._path)
        self._group.attrs.put({"pathoai": self._recipe.attributes(hashes)})
        self._journal.forget()


def _encoded(block: NDArray[Any]) -> bytes:
    encoded = imagecodecs.blosc_encode(
        np.ascontiguousarray(block).tobytes(),
        level=_BLOSC_LEVEL,
        compressor="zstd",
        shuffle="bitshuffle",
        typesize=block.dtype.itemsize,
        numthreads=1,
    )
    return bytes(encoded)


def _filled_up(chunk: NDArray[Any]) -> NDArray[Any]:
    return np.pad(chunk, ((0, CHUNK_TILES - len(chunk)), (0, 0)))


class SlideFeatures:
    """Finished features of a slide, open for reading; nothing is read before it is asked for.

    Args:
        store_path: The store.
        name: Of the features.
        header: Of the store.

    Raises:
        StoreError: There are none of that name, or they are not complete.
    """

    def __init__(self, store_path: Path, name: str, *, header: StoreHeader) -> None:
        """Read the metadata."""
        self.name = name
        self._header = header
        attributes = _attributes(store_path, name)
        if attributes is None:
            raise StoreError(
                "the store has no such features",
                where=header.slide_id,
                found=repr(name),
                allowed=", ".join(feature_names(store_path)) or "none yet",
                remedy="make them with `pathoai features STUDY --encoder NAME`",
            )
        if not attributes["complete"]:
            raise StoreError(
                "the features are not complete: an earlier run was interrupted",
                where=f"{header.slide_id} {name}",
                remedy="run `pathoai features` again; it goes on where it stopped",
            )
        self.spec = TileSpec(**attributes["spec"])
        self.about: dict[str, Any] = attributes["about"]
        self.shards: dict[str, str] = attributes["shards"]
        self._group = zarr.open_group(store_path / group_path(name), mode="r", zarr_format=3)

    @property
    def grid(self) -> Grid:
        """The raster on which the tiles lie."""
        size = Size(self._header.slide_width, self._header.slide_height)
        return Grid.covering(size, self._header.slide_mpp, self.spec.mpp)

    @property
    def origins_px(self) -> NDArray[np.int64]:
        """``(N, 2)`` int64: x and y of each tile's top left, in pixels of ``grid``."""
        return np.asarray(self._array(ORIGINS)[:], dtype=np.int64)

    @property
    def features(self) -> zarr.Array[Any]:
        """The array ``(N, D)``, float16 or float32; take slices: single rows are slow."""
        return self._array(FEATURES)

    def read(self, tiles: slice = slice(None)) -> NDArray[np.float32]:
        """Vectors of some tiles, all by default, ``(n, D)`` float32."""
        return np.asarray(self.features[tiles], dtype=np.float32)

    def region(self, index: int) -> Region:
        """Where a tile lies, in level-0 pixels."""
        x, y = self.origins_px[index]
        return self.grid.region(float(x), float(y), self.spec.size_px, self.spec.size_px)

    def __len__(self) -> int:
        """Number of tiles."""
        return int(self.features.shape[0])

    def _array(self, name: str) -> zarr.Array[Any]:
        found = self._group.get(name)
        if not isinstance(found, zarr.Array):
            raise StoreError("the features have no such array", where=self.name, found=name)
        return found


def made_with(store_path: Path, recipe: FeatureRecipe) -> Mapping[str, Any] | None:
    """How features of the same recipe were begun here; None where there are none.

    A run that goes on must compute as the one before it did, or the last bits differ.
    """
    found = _attributes(store_path, recipe.name)
    if found is None or not recipe.is_that_of(found):
        return None
    begun: Mapping[str, Any] = found["made_with"]
    return begun


def are_features_complete(store_path: Path, recipe: FeatureRecipe) -> bool:
    """True where features of the same recipe are finished, however they were computed."""
    found = _attributes(store_path, recipe.name)
    return found is not None and bool(found["complete"]) and recipe.is_that_of(found)


def feature_names(store_path: Path) -> tuple[str, ...]:
    """Names of the finished features of a store."""
    return tuple(n for n in feature_folders(store_path) if _is_complete(store_path, n))


def feature_folders(store_path: Path) -> Iterator[str]:
    """Names of the folders of features, finished or not, sorted."""
    folder = store_path / FEATURES
    names = (f.name for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else ()
    return iter(sorted(names))


def _is_complete(store_path: Path, name: str) -> bool:
    found = _attributes(store_path, name)
    return found is not None and bool(found["complete"])


def _attributes(store_path: Path, name: str) -> dict[str, Any] | None:
    path = store_path / group_path(name)
    if not (path / "zarr.json").exists():
        return None
    try:
        found = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs).get("pathoai")
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            "the features cannot be read",
            where=f"{store_path.stem} {name}",
            found=str(error),
            remedy=f"delete {group_path(name)} in the store and make them again",
        ) from error
    return found if isinstance(found, dict) else None
