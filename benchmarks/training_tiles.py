"""Tiles of a slide for device_training.py: undecoded chunks, and OpenSlide's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pathoai.preprocess.compressed_batch import CompressedBatch, StoreTiles, read_compressed
from pathoai.store.slide_store import SlideStore

Origins = NDArray[np.int64]


class ChunkBatches(Dataset[tuple[CompressedBatch, torch.Tensor]]):
    """Batches of a store's tiles, undecoded; opened at first use, in each worker for itself."""

    def __init__(self, path: Path, origins: Origins, batch: int, size_px: int) -> None:
        """``origins`` is ``(N, 2)``; the last, smaller batch is left out."""
        self._path, self._size = path, size_px
        self._batches = origins[: len(origins) // batch * batch].reshape(-1, batch, 2)
        self._store: SlideStore | None = None

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[CompressedBatch, torch.Tensor]:
        """One batch, and a target for each tile that nothing learns from."""
        self._store = self._store or SlideStore(self._path)
        origins = self._batches[index]
        tiles = StoreTiles(self._store, 0, origins, np.arange(len(origins)))
        return read_compressed([tiles], self._size), torch.zeros(len(origins))


class OpenSlideTiles(Dataset[torch.Tensor]):
    """Tiles by OpenSlide, as training scripts read them."""

    def __init__(self, path: Path, origins: Origins, size_px: int) -> None:
        """Open nothing yet."""
        self._path, self._origins, self._size = path, origins, size_px
        self._slide: openslide.OpenSlide | None = None

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self._origins)

    def __getitem__(self, index: int) -> torch.Tensor:
        """``(3, S, S)`` uint8."""
        self._slide = self._slide or openslide.OpenSlide(self._path)
        place = tuple(self._origins[index].tolist())
        region = self._slide.read_region(place, 0, (self._size, self._size)).convert("RGB")
        return torch.from_numpy(np.asarray(region).copy()).permute(2, 0, 1)
