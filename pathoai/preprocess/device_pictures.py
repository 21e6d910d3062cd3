"""Compressed tiles and chunks become pixels on a device: by nvJPEG there, or by threads here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.preprocess import nvjpeg
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.jpeg_frame import JpegFrame

Picture = bytes | torch.Tensor
"""The bytes of a compressed picture; as a tensor ``(bytes,)`` uint8."""


def _bytes(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else picture.numpy().tobytes()


@dataclass(frozen=True)
class DecodedPictures:
    """Pictures of one size on a device.

    Args:
        pixels: ``(N, 3, side, side)`` uint8; black where one could not be decoded.
        damaged: Which could not be decoded, and why.
    """

    pixels: torch.Tensor
    damaged: Mapping[int, str]


@dataclass(frozen=True)
class PictureDecoder:
    """Decodes square pictures of one size.

    Args:
        coding: Their compression.
        side_px: Their side.
        device: Where the pixels go.
        on_device: Decode by nvJPEG; only what it refuses is decoded here.
    """

    coding: ChunkCoding
    side_px: int
    device: torch.device
    on_device: bool = False

    def decode(self, pictures: Sequence[Picture], pool: Executor | None = None) -> DecodedPictures:
        """All pictures, each decoded once.

        Args:
            pictures: The bytes of each.
            pool: Threads that decode what is decoded here.
        """
        there: list[torch.Tensor | None] = [None] * len(pictures)
        if self.on_device:
            there = self._decoded_there(pictures)
        left = [i for i, pixels in enumerate(there) if pixels is None]
        here, damaged = self._decoded_here([pictures[i] for i in left], pool)
        if len(left) == len(pictures):
            return DecodedPictures(here, damaged)
        for position, i in enumerate(left):
            there[i] = here[position]
        whole = torch.stack([pixels for pixels in there if pixels is not None])
        return DecodedPictures(whole, {left[i]: reason for i, reason in damaged.items()})

    def _decoded_there(self, pictures: Sequence[Picture]) -> list[torch.Tensor | None]:
        """By nvJPEG; None for those it refuses, found by halving because it names none."""
        if not pictures:
            return []
        try:
            found = nvjpeg.decode(pictures, self.device)
        except RuntimeError:
            if len(pictures) == 1:
                return [None]
            half = len(pictures) // 2
            return self._decoded_there(pictures[:half]) + self._decoded_there(pictures[half:])
        wanted = (3, self.side_px, self.side_px)
        return [pixels if tuple(pixels.shape) == wanted else None for pixels in found]

    def _decoded_here(
        self, pictures: Sequence[Picture], pool: Executor | None
    ) -> tuple[torch.Tensor, dict[int, str]]:
        """By our own codecs, then uploaded."""
        side, damaged = self.side_px, dict[int, str]()
        shape, pinned = (len(pictures), side, side, 3), self.device.type == "cuda"
        batch = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        out: NDArray[np.uint8] = batch.numpy()

        def fill(i: int) -> None:
            try:
                pixels = self.coding.decode_rgb(_bytes(pictures[i]), side)
                if pixels.shape != (side, side, 3):
                    raise ValueError(f"a picture of shape {pixels.shape}")
            except (ValueError, RuntimeError) as error:
                damaged[i] = str(error)
            else:
                out[i] = pixels

        every = range(len(pictures))
        list(map(fill, every) if pool is None else pool.map(fill, every))
        return batch.to(self.device, non_blocking=True).permute(0, 3, 1, 2), damaged

    def is_proven(self, samples: Sequence[Picture]) -> bool:
        """True where the device decodes samples as our own codecs do, within `nvjpeg`'s tolerance.

        RGB pictures that it takes for YCbCr are found so: those are tens of grey levels off. What
        our own codecs refuse proves nothing either way.
        """
        cpu = PictureDecoder(self.coding, self.side_px, torch.device("cpu")).decode(samples)
        there = self._decoded_there(samples)
        good = [i for i in range(len(samples)) if i not in cpu.damaged]
        return bool(good) and all(_alike(there[i], cpu.pixels[i], _bytes(samples[i])) for i in good)


def _alike(found: torch.Tensor | None, expected: torch.Tensor, picture: bytes) -> bool:
    if found is None:
        return False
    apart = (found.cpu().int() - expected.int()).abs()
    if JpegFrame.of(picture).subsampling == (1, 1):
        return int(apart.max()) <= nvjpeg.LARGEST_DIFFERENCE
    return float(apart.float().mean()) <= nvjpeg.MEAN_DIFFERENCE
