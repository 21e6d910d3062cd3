"""What makes a store's new pixels: a device, and which part of JPEG it does itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from pathoai.errors import DamagedSlideError, InvalidValueError
from pathoai.geometry import Size
from pathoai.preprocess import nvjpeg
from pathoai.preprocess.device import choose_device
from pathoai.preprocess.device_blocks import BlockSource, TileBlocks, WindowBlocks
from pathoai.preprocess.device_pictures import PictureDecoder
from pathoai.preprocess.slide_windows import SlideWindows
from pathoai.slide.compressed_tiles import CompressedLevel
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.copy_tiles import read_tile

_DECODER, _ENCODER = "nvjpeg-decoder", "nvjpeg-encoder"
_SAMPLES = 8
"""Tiles spread over a level that the device must decode as our own codecs do."""


@dataclass(frozen=True)
class DeviceMaking:
    """How pixels are made on a device; written into the store's header, so that no run mixes two.

    Args:
        device: Where pixels are resampled and normalised.
        decodes: The slide's JPEG tiles are decoded there.
        encodes: The store's JPEG chunks are encoded there.
    """

    device: torch.device
    decodes: bool = False
    encodes: bool = False

    @property
    def words(self) -> str:
        """As the header has it, e.g. ``cuda+nvjpeg-decoder``; the same on any card of a kind."""
        own = ((_DECODER, self.decodes), (_ENCODER, self.encodes))
        return "+".join([self.device.type, *(word for word, is_so in own if is_so)])

    @classmethod
    def of_words(cls, words: str, device: torch.device) -> Self:
        """The same on a device of that kind.

        Raises:
            InvalidValueError: It is of another kind, or cannot do what the words say.
        """
        _, *own = words.split("+")
        making = cls(device, _DECODER in own, _ENCODER in own)
        can = (not making.decodes or nvjpeg.can_decode(device)) and (
            not making.encodes or nvjpeg.can_encode(device)
        )
        if making.words != words or not can:
            raise InvalidValueError(
                "this device cannot make pixels as the store's header says",
                found=device.type,
                allowed=words,
                remedy="go on where the store was begun, or delete it to make it again",
            )
        return making

    def blocks(
        self, windows: SlideWindows, known: CompressedLevel | None, size_px: Size
    ) -> BlockSource:
        """The pixels of a level on the device.

        Args:
            windows: The level, for pixels that are decoded here.
            known: Its compressed tiles, for pixels that are decoded there.
            size_px: Of the level, in its own pixels.
        """
        if known is None or not self.decodes:
            return WindowBlocks(windows, self.device)
        coding = ChunkCoding(known.codec)
        decoder = PictureDecoder(coding, known.tile_px, self.device, on_device=True)
        return TileBlocks(known, size_px, decoder)

    @classmethod
    def best(cls, device_name: str, source: CompressedLevel | None, coding: ChunkCoding) -> Self:
        """As much as the device does as our own codecs do.

        Args:
            device_name: As in ``choose_device``.
            source: The slide's tiles, where they may be decoded on the device.
            coding: Of the store's chunks.
        """
        device = choose_device(device_name)
        encodes = coding.compression == "jpeg" and nvjpeg.can_encode(device)
        return cls(device, source is not None and _decodes(device, source), encodes)


def _decodes(device: torch.device, source: CompressedLevel) -> bool:
    if source.codec != "jpeg" or not nvjpeg.can_decode(device):
        return False
    decoder = PictureDecoder(ChunkCoding(source.codec), source.tile_px, device, on_device=True)
    samples = _samples(source)
    return bool(samples) and decoder.is_proven(samples)


def _samples(source: CompressedLevel) -> Sequence[bytes]:
    present = np.argwhere(source.byte_counts > 0)
    step = max(1, len(present) // _SAMPLES)
    found = []
    with source.file.open("rb") as file:
        for row, column in present[step // 2 :: step][:_SAMPLES].tolist():
            try:
                found.append(read_tile(source, file, row, column))
            except DamagedSlideError:
                continue
    return [tile for tile in found if tile is not None]
