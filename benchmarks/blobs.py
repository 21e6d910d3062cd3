"""A network that costs next to nothing; on the path of Python, announced like a package's."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

POOL_PX = 32


class Blobs(nn.Module):
    """A 1 × 1 convolution of what is left when squares of 32 px are averaged, and made large again.

    Args:
        classes: Output channels.
    """

    def __init__(self, *, classes: int) -> None:
        """One layer."""
        super().__init__()
        self.head = nn.Conv2d(3, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, H, W)`` of normalised images ``(N, 3, H, W)``."""
        small = self.head(functional.avg_pool2d(images, POOL_PX))
        return functional.interpolate(small, images.shape[-2:], mode="bilinear")
