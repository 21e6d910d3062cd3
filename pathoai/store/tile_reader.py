"""What a network learns from, a batch at a time: pixels, labels, weights and quality of tiles."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.class_shares import ASSESSED, ClassShares
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.label_image import LabelImage
from pathoai.store.label_tiles import label_tiles
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec


@dataclass(frozen=True, slots=True)
class TileBatch:
    """Tiles of one slide and all that is known of them.

    Args:
        pixels: ``(N, S, S, 3)`` uint8; white outside of the slide.
        labels: By the label's name, ``(N, S, S)`` uint8; 255 where nobody assessed.
        weights: ``(N,)`` float32, 0 to 1 where the caller gave none of his own: the share of the
            labels' pixels that somebody assessed (1 without labels) × the share of the tile that
            no disqualifying artefact covers × the caller's own.
        quality: Shares of the tile, ``(N,)`` float32, 0 to 1: ``assessed``, and each artefact by
            its key; none where no quality was asked for.
    """

    pixels: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.uint8]]
    weights: NDArray[np.float32]
    quality: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.pixels)


@dataclass(frozen=True)
class TileReader:
    """Reads any tiles of a store, in batches; a chunk is decoded once for all of a batch.

    Any tile takes as long as any other. May be shared by threads, forked and pickled.

    Args:
        store: The slide.
        spec: Size and scale of the tiles; any scale, resampled where no level has it.
        labels: Names of the labels that are read with the pixels.
        quality: Name of the label that holds artefacts, e.g. ``quality/artefacts``.
        disqualifying: Keys of the artefacts that take weight from a tile; all if not said.

    Raises:
        StoreError: A label is absent or incomplete.
        InvalidValueError: A key is none of the artefacts.
    """

    store: SlideStore
    spec: TileSpec
    labels: tuple[str, ...] = ()
    quality: str | None = None
    disqualifying: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse labels and artefacts that the store does not have."""
        known = [key for key in self._quality.masks if key != ASSESSED]
        for key in self.disqualifying or ():
            if key not in known:
                raise InvalidValueError(
                    "no artefact of that name",
                    where=f"{self.store.slide_id} {self.quality}",
                    found=repr(key),
                    allowed=", ".join(known) or "none without a quality label",
                )
        if len(self.label_images) < len(self.labels):
            raise InvalidValueError("a label is named twice", found=", ".join(self.labels))

    @cached_property
    def grid(self) -> Grid:
        """The raster of the tiles."""
        return self.store.slide.grid(self.spec.mpp)

    @cached_property
    def label_images(self) -> dict[str, LabelImage]:
        """The labels, open for reading, by their names."""
        return {name: self.store.label(name) for name in self.labels}

    @cached_property
    def _quality(self) -> ClassShares:
        if self.quality is None:
            return ClassShares({})
        return ClassShares.of_label(self.store.label(self.quality))

    def read(
        self,
        origins_px: NDArray[np.int64],
        pool: Executor | None = None,
        weights: NDArray[np.float32] | None = None,
    ) -> TileBatch:
        """A batch.

        Args:
            origins_px: ``(N, 2)`` int64: x and y of each tile's top left, in pixels of ``grid``;
                anywhere, e.g. rows of ``store.tiles(spec).origins_px``.
            pool: Threads to decode in; the codecs run without the GIL.
            weights: ``(N,)`` weights of the caller's own, which multiply the reader's.

        Raises:
            StoreError: A chunk cannot be decoded.
            InvalidValueError: Columns of other shapes.
        """
        _check_columns(origins_px, weights)
        size = self.spec.size_px
        labels = self.read_labels(origins_px, pool)
        quality = self._quality.of_tiles(self.grid, origins_px, size)
        return TileBatch(
            pixels=grid_tiles(self.store, self.grid, origins_px, size, pool),
            labels=labels,
            weights=self._weights(labels, quality, weights, len(origins_px)),
            quality=quality,
        )

    def read_labels(
        self, origins_px: NDArray[np.int64], pool: Executor | None = None
    ) -> dict[str, NDArray[np.uint8]]:
        """Of a batch the labels alone, as in `TileBatch`; arguments and errors as of `read`."""
        _check_columns(origins_px, None)
        return {
            name: label_tiles(label, self.grid, origins_px, self.spec.size_px, pool)
            for name, label in self.label_images.items()
        }

    def read_context(
        self, origins_px: NDArray[np.int64], factor: float, pool: Executor | None = None
    ) -> NDArray[np.uint8]:
        """What lies around tiles: as many pixels about the same centres, at a coarser scale.

        Where a level has that scale its pixels are taken as they are, so that a centre may be off
        by half a pixel of the context.

        Args:
            origins_px: ``(N, 2)`` int64, as for `read`.
            factor: How many times coarser, 1 or more.
            pool: Likewise.

        Returns:
            ``(N, S, S, 3)`` uint8; white outside of the slide.

        Raises:
            StoreError: A chunk cannot be decoded.
            InvalidValueError: A factor below 1, or origins of another shape.
        """
        _check_columns(origins_px, None)
        if not 1 <= factor < np.inf:
            raise InvalidValueError("factor of the context", found=factor, allowed="1 or more")
        half, fine = self.spec.size_px / 2, self.grid
        coarse = Grid(
            fine.size_px.scaled_down(factor),
            fine.downsample_x * factor,
            fine.downsample_y * factor,
        )
        around = np.asarray((origins_px + half) / factor - half, np.float64)
        return grid_tiles(self.store, coarse, around, self.spec.size_px, pool)

    def _weights(
        self,
        labels: Mapping[str, NDArray[np.uint8]],
        quality: Mapping[str, NDArray[np.float32]],
        own: NDArray[np.float32] | None,
        count: int,
    ) -> NDArray[np.float32]:
        weights = np.ones(count) if own is None else own.astype(np.float64)
        if labels:
            assessed = [(values != NOT_ASSESSED).mean((1, 2)) for values in labels.values()]
            weights *= np.mean(assessed, axis=0)
        artefacts = set(quality) - {ASSESSED} if self.disqualifying is None else self.disqualifying
        covered = sum((quality[key] for key in artefacts), np.zeros(count))
        return np.asarray(weights * np.clip(1 - covered, 0, 1), np.float32)


def _check_columns(origins_px: NDArray[np.int64], weights: NDArray[np.float32] | None) -> None:
    if origins_px.ndim != 2 or origins_px.shape[1] != 2:
        raise InvalidValueError("origins of tiles", found=origins_px.shape, allowed="(N, 2)")
    if weights is not None and weights.shape != (len(origins_px),):
        raise InvalidValueError(
            "weights of tiles", found=weights.shape, allowed=f"({len(origins_px)},)"
        )
