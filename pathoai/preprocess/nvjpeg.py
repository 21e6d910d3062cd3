"""JPEG on an NVIDIA GPU by nvJPEG, as torchvision brings it.

Its operators are called by their own names: torchvision 0.29 declares the functions around them
obsolete, with a warning at each first call, and gives them no successor of its own.

What nvJPEG decodes differs from libjpeg-turbo by the rounding of its inverse transform and, where
colours are subsampled, by how they are enlarged: it repeats them, libjpeg-turbo interpolates. T.81
leaves both to the decoder. On tissue that is 2 grey levels in the mean, and up to 30 on the edges
of colours. What it encodes is baseline JPEG in YCbCr with whole colours (4:4:4), as our own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

LARGEST_DIFFERENCE = 4
"""Grey levels from libjpeg-turbo, on pictures whose colours are whole."""
MEAN_DIFFERENCE = 3.0
"""Likewise, in the mean, on pictures whose colours are subsampled."""
_RGB = 3
"""``torchvision.io.ImageReadMode.RGB``."""


def _operators() -> Any:  # noqa: ANN401 - torch makes a namespace's members as they are asked for
    import torchvision  # noqa: F401 - registers them

    return torch.ops.image


@functools.cache
def can_decode(device: torch.device) -> bool:
    """True where pictures can be decoded on that device; tried out, because builds differ."""
    try:
        tiny = torch.zeros((3, 16, 16), dtype=torch.uint8)
        whole = _operators().encode_jpeg(tiny, 90)
        return device.type == "cuda" and tuple(decode([whole], device)[0].shape) == (3, 16, 16)
    except (ImportError, AttributeError, RuntimeError):
        return False


@functools.cache
def can_encode(device: torch.device) -> bool:
    """True where pictures can be encoded on that device; tried out likewise."""
    if device.type != "cuda" or not can_decode(device):
        return False
    try:
        tiny = torch.zeros((1, 3, 16, 16), dtype=torch.uint8, device=device)
        return encode(tiny, 90)[0].startswith(b"\xff\xd8")
    except (AttributeError, RuntimeError):
        return False


def decode(pictures: Sequence[bytes | torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """Pixels of JPEG pictures, ``(3, height, width)`` uint8 each, on the device.

    Call it on a stream of its own: it waits for all work of the current stream.

    Args:
        pictures: The bytes of each, as a tensor ``(bytes,)`` uint8 on the CPU without a copy.
        device: An NVIDIA GPU.

    Raises:
        RuntimeError: One of them cannot be decoded; there are no partial results.
    """
    tensors = [
        one
        if isinstance(one, torch.Tensor)
        else torch.frombuffer(bytearray(one), dtype=torch.uint8)
        for one in pictures
    ]
    if device.type == "cuda":
        # The decoder writes on a stream of its own into memory that ours may still be reading.
        torch.cuda.current_stream(device).synchronize()
    found: list[torch.Tensor] = _operators().decode_jpegs_cuda(tensors, _RGB, device)
    return found


def encode(batch: torch.Tensor, quality: int) -> list[bytes]:
    """JPEG pictures of a batch, in YCbCr with whole colours.

    Args:
        batch: ``(N, 3, height, width)`` uint8 on an NVIDIA GPU; made on the default stream.
        quality: 1 to 100.

    Raises:
        RuntimeError: They cannot be encoded.
    """
    if not len(batch):
        return []
    # The encoder reads on a stream of its own and waits for nobody.
    torch.cuda.current_stream(batch.device).synchronize()
    found = _operators().encode_jpegs_cuda(list(batch.contiguous()), quality)
    lengths = [len(one) for one in found]
    whole = torch.cat(found).cpu().numpy().tobytes()
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return [whole[end - n : end] for end, n in zip(ends, lengths, strict=True)]
