"""A slide's features: each tile with tissue becomes a vector of an encoder, kept in the store.

Work goes shard by shard (512 tiles), each cut into batches from its own start, so a killed run
resumes to the same bytes: the batches are the same, whatever was done before.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.encoder import LARGEST_MPP_ERROR
from pathoai.models.encoder_network import TileEncoder
from pathoai.models.encoder_registry import RegisteredEncoder
from pathoai.preprocess.device_memory import fitting
from pathoai.progress import Advance, silent
from pathoai.store.features import (
    FeatureRecipe,
    FeatureWriter,
    Precision,
    SlideFeatures,
    are_features_complete,
    made_with,
)
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec

BATCH_SIZE = 32
"""Tiles: the largest encoders fit a GPU of 16 GB with these."""


@dataclass(frozen=True)
class FeatureExtractor:
    """An encoder ready to encode the tiles of a study.

    Args:
        encoder: What it is.
        network: Its network with its weights, on ``device``.
        device: Where it computes.
        spec: The tiles.
        precision: In which the vectors are kept.
        batch_size: Tiles per batch; None takes that of an interrupted run, or 32.
        threads: In which tiles are read.

    Raises:
        InvalidValueError: The batch is empty, or the tiles have another size than the encoder's.
        ModelError: They have another scale.
    """

    encoder: RegisteredEncoder
    network: TileEncoder
    device: torch.device
    spec: TileSpec
    precision: Precision = "float16"
    batch_size: int | None = None
    threads: int = 2

    def __post_init__(self) -> None:
        """Refuse tiles that the encoder was not made for."""
        entry = self.encoder.entry
        if self.batch_size is not None and self.batch_size < 1:
            raise InvalidValueError("batch size", found=self.batch_size, allowed="1 or more")
        if self.spec.size_px != entry.size_px:
            raise InvalidValueError(
                "tiles of another size than the encoder's",
                where=entry.key,
                found=self.spec.size_px,
                allowed=f"{entry.size_px} px",
            )
        entry.check_mpp(self.spec.mpp, where=entry.key)

    def recipe(self, store: SlideStore) -> FeatureRecipe:
        """What the features of a store will be, and how they are computed there.

        An interrupted run goes on with its own batches unless others are asked for.
        """
        about = {"origin": "encoder"} | self.encoder.about | {"store_sha256": store.identity}
        entry = self.encoder.entry
        recipe = FeatureRecipe(entry.key, self.spec, entry.embedding, about, self.precision)
        begun = made_with(store.path, recipe) or {}
        size = self.batch_size or int(begun.get("batch_size", BATCH_SIZE))
        how = {"batch_size": size, "device": self.device.type, "computed_in": self._number}
        return replace(recipe, made_with=how)

    @property
    def _number(self) -> Precision:
        # A GPU computes several times faster with half the bits, and vectors are kept so anyway.
        return self.precision if self.device.type == "cuda" else "float32"

    def vectors(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors ``(N, embedding)`` of tiles ``(N, size_px, size_px, 3)`` uint8."""
        batch = torch.from_numpy(np.ascontiguousarray(tiles.transpose(0, 3, 1, 2)))
        half = self._number == "float16"
        mixed = torch.autocast(self.device.type, torch.float16) if half else nullcontext()
        with fitting(len(tiles)), torch.inference_mode(), mixed:
            found: torch.Tensor = self.network(batch.to(self.device))
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)


def extract_features(
    store: SlideStore, extractor: FeatureExtractor, *, advance: Advance = silent
) -> SlideFeatures:
    """Encode all tiles of a slide into its store, or go on where an interrupted run stopped.

    Args:
        store: The slide's store.
        extractor: The encoder and the tiles.
        advance: Told of tiles done and tiles in all.

    Returns:
        The features, named by the key of the encoder; those it had of other weights, tiles or
        pixels are replaced.

    Raises:
        ModelError: The store's pixels are coarser than the encoder's.
        NoTissueError: No tile has enough tissue.
        StoreError: Another run writes the store, or a feature is not a finite number.
    """
    recipe = extractor.recipe(store)
    if not are_features_complete(store.path, recipe):
        _check_scale(store, extractor)
        tiles = store.tiles(extractor.spec)
        with locked(store.path), ThreadPoolExecutor(extractor.threads) as pool:
            writer = FeatureWriter(store.path, tiles, recipe)
            for shard in writer.shards:
                rows = writer.rows(shard)
                if not writer.is_done(shard):
                    batches = _batches(store, tiles, rows, recipe, pool)
                    writer.write(shard, np.concatenate([extractor.vectors(b) for b in batches]))
                advance(rows.stop, len(tiles))
            writer.finish()
    return store.features(recipe.name)


def _batches(
    store: SlideStore, tiles: TileGrid, rows: slice, recipe: FeatureRecipe, pool: Executor
) -> Iterator[NDArray[np.uint8]]:
    """The tiles of a shard, batch by batch; the next is read while one is encoded."""
    size = (recipe.made_with or {})["batch_size"]
    parts = [
        tiles.origins_px[start : min(start + size, rows.stop)]
        for start in range(rows.start, rows.stop, size)
    ]
    # Reading has a thread of its own, which hands the decoding on: in one pool the two could wait
    # for each other.
    with ThreadPoolExecutor(1) as ahead:

        def read(origins: NDArray[np.int64]) -> NDArray[np.uint8]:
            return grid_tiles(store, tiles.grid, origins, tiles.spec.size_px, pool)

        following = ahead.submit(read, parts[0])
        for part in parts[1:]:
            now = following.result()
            following = ahead.submit(read, part)
            yield now
        yield following.result()


def _check_scale(store: SlideStore, extractor: FeatureExtractor) -> None:
    """Refuse to invent detail: pixels coarser than the encoder's were never that sharp."""
    wanted = extractor.spec.mpp
    if store.mpp > wanted * (1 + LARGEST_MPP_ERROR):
        raise ModelError(
            "the store is coarser than the tiles that the encoder takes",
            where=f"{store.slide_id} {extractor.encoder.entry.key}",
            found=f"{store.mpp:g} µm per pixel",
            allowed=f"{wanted:g} µm per pixel or finer",
            remedy="tile the slide at a finer --mpp, or use another encoder",
        )
