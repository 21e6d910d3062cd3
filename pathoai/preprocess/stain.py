"""Stain separation, in batches on the device.

Ruifrok AC, Johnston DA. Quantification of histochemical staining by color deconvolution.
Anal Quant Cytol Histol 2001. Light through stains follows Beer and Lambert: optical densities add.
"""

from __future__ import annotations

import torch

# Optical density per unit of stain in red, green and blue, from the publication's table.
HEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)


def stain_matrix() -> torch.Tensor:
    """The unit vectors of hematoxylin, eosin and what is left, ``(3, 3)`` float64, a row each."""
    h, e = torch.tensor([HEMATOXYLIN, EOSIN], dtype=torch.float64)
    h, e = h / h.norm(), e / e.norm()
    rest = torch.linalg.cross(h, e)
    return torch.stack([h, e, rest / rest.norm()])


def optical_density(batch: torch.Tensor) -> torch.Tensor:
    """Optical density of light through the slide, natural logarithm.

    Args:
        batch: ``(N, 3, H, W)`` uint8 RGB; white has density 0.

    Returns:
        ``(N, 3, H, W)`` float32.
    """
    return -torch.log((batch.float() + 1.0) / 256.0)


def deconvolve(batch: torch.Tensor) -> torch.Tensor:
    """Amounts of hematoxylin, eosin and the rest.

    Args:
        batch: ``(N, 3, H, W)`` uint8 RGB.

    Returns:
        ``(N, 3, H, W)`` float32, in units of optical density along each stain's vector.
    """
    inverse = torch.linalg.inv(stain_matrix()).to(batch.device, torch.float32)
    return torch.einsum("nchw,cs->nshw", optical_density(batch), inverse)
