"""Vectors of images whose centre matters more than the rest: one nucleus among its neighbours."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class MeanAndCentre(nn.Module):
    """The mean of an encoder's map and, beside it, what the map says of the image's centre.

    In the mean a neighbour counts as much as the nucleus that is asked for, and where nuclei are
    crowded nothing says which of them is meant.

    Args:
        network: An encoder with ``maps`` and ``embedding``, e.g. ``SmallResidual`` or ``TimmMap``.

    Attributes:
        embedding: Length of the vector: twice the channels of the map.
    """

    def __init__(self, network: nn.Module) -> None:
        """Add nothing that is learnt."""
        super().__init__()
        self.network: Any = network
        channels: Any = network.embedding
        self.embedding = 2 * int(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors ``(N, embedding)`` of normalised images ``(N, 3, H, W)``."""
        found: torch.Tensor = self.network.maps(x)
        height, width = found.shape[-2:]
        centre = found[..., _middle(height), _middle(width)]
        return torch.cat([found.mean(dim=(-2, -1)), centre.mean(dim=(-2, -1))], dim=1)


def _middle(side_px: int) -> slice:
    """The one pixel in the middle, or the two of an even side."""
    return slice((side_px - 1) // 2, side_px // 2 + 1)
