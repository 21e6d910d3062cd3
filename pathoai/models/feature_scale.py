"""Features of an encoder on a common scale, so that none is drowned by another."""

from __future__ import annotations

import torch
from torch import nn

_SMALLEST = 1e-6
"""A feature that varies less is constant, and stays 0."""


class FeatureScale(nn.Module):
    """Subtracts each feature's mean and divides by its standard deviation.

    Both are measured on training slides before the first step, and are kept with the weights; until
    then features stay as they are. The few largest of an encoder's features else decide what is
    learnt first: on generated slides training took twice the steps without this.

    Args:
        features: Length of a tile's features.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, features: int) -> None:
        """Nothing is known yet."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    @torch.no_grad()
    def measure(self, features: torch.Tensor) -> None:
        """Take over the scale of these features, ``(N, features)`` of any tiles."""
        values = features.double()
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(values.std(0, correction=0).clamp_min(_SMALLEST))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The features ``(…, features)``, scaled."""
        return (features - self.mean) / self.deviation
