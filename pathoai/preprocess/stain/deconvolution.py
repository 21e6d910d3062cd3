"""Colour deconvolution: from pixels to the amount of each stain, and back.

Ruifrok AC, Johnston DA. Quantification of histochemical staining by color deconvolution.
Anal Quant Cytol Histol 2001.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.preprocess.stain.optical_density import (
    density_to_pixels,
    mix_channels,
    optical_density,
)
from pathoai.preprocess.stain.stain_matrix import stain_matrix


@torch.no_grad()
def deconvolve(batch: torch.Tensor, matrix: NDArray[np.float64] | None = None) -> torch.Tensor:
    """Amounts of two stains and of the rest, in each pixel.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
        matrix: ``(3, 3)`` of `stain_matrix`; that of hematoxylin and eosin if left out.

    Returns:
        ``(N, 3, H, W)`` float32 on the same device, in units of optical density (natural
        logarithm) along each stain's vector.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    inverse = np.linalg.inv(stain_matrix() if matrix is None else matrix)
    return _mix(optical_density(batch), inverse.astype(np.float64))


@torch.no_grad()
def recompose(
    amounts: torch.Tensor,
    matrix: NDArray[np.float64] | None = None,
    *,
    dtype: torch.dtype = torch.uint8,
) -> torch.Tensor:
    """Pixels that hold given amounts of stains: the inverse of `deconvolve`.

    Args:
        amounts: ``(N, 3, H, W)`` float32; set a channel to 0 to see the other stains alone.
        matrix: As in `deconvolve`.
        dtype: uint8, or a floating type whose white is 1.

    Returns:
        ``(N, 3, H, W)`` RGB on the same device, clipped to black and white.
    """
    return density_to_pixels(_mix(amounts, stain_matrix() if matrix is None else matrix), dtype)


def _mix(channels: torch.Tensor, matrix: NDArray[np.float64]) -> torch.Tensor:
    weight = torch.from_numpy(matrix).to(channels.device, torch.float32)[None]
    return mix_channels(channels, weight, torch.zeros(1, 3, device=channels.device))
