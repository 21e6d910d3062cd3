"""Batches that a loader hands over undecoded, decoded on the trainer's device ahead of the step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, Dataset

from pathoai.errors import InvalidValueError
from pathoai.preprocess.compressed_batch import CompressedBatch
from pathoai.preprocess.device_batch import BatchDecoder, decoded_ahead
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.data.tiles_dataset import TilesDataset

Decode = Literal["auto", "cpu", "device"]
"""Where JPEG chunks become pixels: by the loader, or on the trainer's device; ``auto`` takes the
device where it is a GPU and all stores allow it."""
Undecoded = tuple[CompressedBatch, *tuple[torch.Tensor, ...]]


class UndecodedTiles(Dataset[Any]):
    """A dataset's batches whose images are still compressed; the planes on them are not.

    Args:
        tiles: The dataset; its stores allow it, see ``TilesDataset.why_not_undecoded``.
    """

    def __init__(self, tiles: TilesDataset) -> None:
        """Open nothing yet."""
        self._tiles = tiles

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self._tiles)

    def __getitems__(self, indices: Sequence[int]) -> Undecoded:
        """A whole batch; not to be collated."""
        return self._tiles.compressed(indices), *self._tiles.planes(indices)


def as_it_is(batch: Undecoded) -> Undecoded:
    """What collates batches that are whole already; worker processes need its name."""
    return batch


class DeviceFeed:
    """An epoch's batches as a loader gives them, decoded on a device by a thread of its own.

    Args:
        loader: Of ``UndecodedTiles``.
        decoder: Of the device.
    """

    def __init__(self, loader: DataLoader[Any], decoder: BatchDecoder) -> None:
        """Start nothing yet."""
        self.loader = loader
        self._decoder = decoder

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Images ``(N, 3, S, S)`` uint8 and their planes, on the device.

        Raises:
            StoreError: A chunk cannot be decoded.
        """
        return decoded_ahead(self.loader, self._decoder)


def is_handed_over(decode: Decode, device: torch.device, tiles: TilesDataset) -> bool:
    """True where a loader leaves the decoding to the device.

    Args:
        decode: What the recipe says.
        device: The trainer's.
        tiles: What will be served.

    Raises:
        InvalidValueError: The device is asked for, and a store does not allow it.
    """
    if decode == "cpu" or (decode == "auto" and device.type != "cuda"):
        return False
    why_not = tiles.why_not_undecoded()
    if why_not and decode == "device":
        raise InvalidValueError(
            "the tiles cannot be handed over undecoded",
            where="data.decode",
            found=why_not,
            remedy="use --set data.decode=auto, or tile with the recipe's --mpp as JPEG",
        )
    return not why_not


def decode_where(decode: Decode, augmentation: Augmentation) -> Decode:
    """Where to decode when images are varied as the recipe says.

    Args:
        decode: What the recipe says of decoding.
        augmentation: What it says of varying; a loader can only vary what it decoded.

    Raises:
        InvalidValueError: The device is to decode what the loader is to vary.
    """
    if augmentation.where == "batch":
        return decode
    if decode == "device":
        raise InvalidValueError(
            "what the device decodes cannot be varied by the loader",
            where="data",
            found="decode: device with augmentation.where: loader",
            remedy="change one of them: augmentation.where: batch, or decode: auto",
        )
    return "cpu"


def feed_decoder(device: torch.device) -> BatchDecoder:
    """What decodes the batches of a run, with threads of its own for what the device cannot."""
    return BatchDecoder(device, ThreadPoolExecutor(min(16, os.cpu_count() or 1)))
