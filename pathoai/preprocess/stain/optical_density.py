"""Optical density, and the one operation on it that every change of stains comes down to.

By Beer and Lambert's law the light through a stained section is white × exp(-density), and the
densities of stains add up. White is 255. One is added to 8-bit values, so that black is finite:
light is (value + 1) / 256.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError

_LN_2 = math.log(2)
_LOG2_WHITE = 8.0
# On a CPU, intermediate results of more pixels fall out of its cache, and their memory goes back to
# the system and is asked for again each time: measured, up to four times the time.
_CACHED_PX = 2**16


def optical_density(batch: torch.Tensor) -> torch.Tensor:
    """Optical density of light through the slide, natural logarithm; 0 for white.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1.

    Returns:
        ``(N, 3, H, W)`` float32 on the same device.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    return log2_light(batch).mul_(-_LN_2)


def pixel_density(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Optical density of single pixels, for estimates: ``(M, 3)`` uint8 to float64."""
    return np.asarray(-np.log((pixels.astype(np.float64) + 1) / 256))


def log2_light(batch: torch.Tensor) -> torch.Tensor:
    """Binary logarithm of light, 0 for white and -8 for black: density in other units.

    Base 2 because `torch.exp2` is the exponential that costs least on a CPU.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1 (clipped to that).

    Returns:
        ``(N, 3, H, W)`` float32.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    check_batch(batch)
    if batch.dtype == torch.uint8:
        table = _log2_table(batch.device)
        return table.index_select(0, batch.reshape(-1).int()).view(batch.shape)
    return torch.log2(values_of(batch)).sub_(_LOG2_WHITE)


@torch.no_grad()
def change_density(
    batch: torch.Tensor, matrix: torch.Tensor, shift: torch.Tensor | None = None
) -> torch.Tensor:
    """Map the optical density of each pixel by ``density @ matrix + shift``, and make it light.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
        matrix: ``(N, 3, 3)``, or ``(3, 3)`` for all images.
        shift: ``(N, 3)``, or ``(3,)`` for all images, natural logarithm; none if left out.

    Returns:
        ``(N, 3, H, W)`` of the batch's type, on its device, clipped to black and white.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    weight = matrix.to(batch.device, torch.float32).expand(len(batch), 3, 3)
    bias = torch.full((len(batch), 3), _LOG2_WHITE, device=batch.device)
    if shift is not None:
        bias = bias - shift.to(batch.device, torch.float32) / _LN_2
    return in_pieces(
        batch,
        lambda piece, at: from_values(
            mix_channels(log2_light(piece), weight[at], bias[at]).exp2_(), batch.dtype
        ),
    )


def density_to_pixels(density: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Pixels of a given optical density: the inverse of `optical_density`.

    Args:
        density: ``(N, 3, H, W)`` float32, natural logarithm.
        dtype: uint8, or a floating type whose white is 1.

    Returns:
        ``(N, 3, H, W)``, clipped to black and white.
    """
    return from_values((_LOG2_WHITE - density / _LN_2).exp2_(), dtype)


def values_of(batch: torch.Tensor) -> torch.Tensor:
    """256 times the light, so 256 for white and 1 for black.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1 (clipped to that).

    Returns:
        The same shape, float32.
    """
    values = batch.float() if batch.dtype == torch.uint8 else batch.float().clamp(0, 1) * 255
    return values + 1


def from_values(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Pixels from 256 times the light; the argument is overwritten.

    Args:
        values: Any shape, float32.
        dtype: uint8 (rounded to the nearest), or a floating type whose white is 1.

    Returns:
        The same shape, clipped to black and white.
    """
    if dtype == torch.uint8:
        # One off, and half back, so that the cast rounds; by int16 because torch has no fast cast
        # from float to 8 bits.
        return values.sub_(0.5).clamp_(0, 255).to(torch.int16).to(dtype)
    return values.sub_(1).div_(255).clamp_(0, 1).to(dtype)


def mix_channels(channels: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Weighted sums of three channels.

    Args:
        channels: ``(N, 3, H, W)`` float32.
        weight: ``(N, 3, 3)`` float32; row i says where channel i goes.
        bias: ``(N, 3)`` float32, added.

    Returns:
        ``(N, 3, H, W)`` float32.
    """
    # Not by matmul: TensorFloat-32 and autocast would round densities to three digits.
    parts = weight[..., None, None]
    mixed = channels[:, 0:1] * parts[:, 0]
    mixed.addcmul_(channels[:, 1:2], parts[:, 1]).addcmul_(channels[:, 2:3], parts[:, 2])
    return mixed.add_(bias[..., None, None])


def check_batch(batch: torch.Tensor) -> None:
    """Refuse what is no batch of colour images.

    Raises:
        InvalidValueError: Not ``(N, 3, H, W)``, or neither uint8 nor floating point.
    """
    known = batch.dtype == torch.uint8 or batch.dtype.is_floating_point
    if batch.ndim != 4 or batch.shape[1] != 3 or not known:
        raise InvalidValueError(
            "not a batch of colour images",
            found=f"{tuple(batch.shape)} {batch.dtype}",
            allowed="(N, 3, H, W), uint8 or floating point from 0 to 1",
        )


def in_pieces(
    batch: torch.Tensor, operation: Callable[[torch.Tensor, slice], torch.Tensor]
) -> torch.Tensor:
    """Apply an operation of single pixels to a batch, on a CPU to as many as its cache holds.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1.
        operation: From rows of some images, and which images they are, to the same rows changed.

    Returns:
        ``(N, 3, H, W)`` of the batch's type, on its device.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    check_batch(batch)
    out = torch.empty_like(batch, memory_format=torch.contiguous_format)
    count, _, height, width = batch.shape
    if batch.device.type == "cpu":
        count = max(1, _CACHED_PX // max(1, height * width))
        height = max(1, _CACHED_PX // max(1, width))
    for first in range(0, len(batch), max(1, count)):
        at = slice(first, first + count)
        for top in range(0, batch.shape[2], max(1, height)):
            rows = slice(top, top + height)
            out[at, :, rows] = operation(batch[at, :, rows], at)
    return out


@functools.lru_cache(maxsize=16)
def _log2_table(device: torch.device) -> torch.Tensor:
    """The binary logarithm of light of each 8-bit value, ``(256,)`` float32."""
    light = (torch.arange(256, dtype=torch.float64) + 1) / 256
    return torch.log2(light).to(device, torch.float32)
