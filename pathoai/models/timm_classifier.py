"""A network of timm with a linear layer on its pooled vector: for classes of whole tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pathoai.models.encoder import Pooling
from pathoai.models.encoder_network import Pooled, build_timm


class TimmClassifier(nn.Module):
    """Classifies tiles.

    Args:
        classes: Output channels.
        encoder: Name of the network in timm.
        arguments: What else timm is told, as in the description of an encoder.
        pooling: ``cls``, ``mean`` or ``cls+mean`` of a transformer's tokens, ``avg`` of a map.
        dropout: Share of the vector that training leaves out.

    Raises:
        ModelError: timm does not know the network, or it does not take these arguments.
    """

    def __init__(
        self,
        *,
        classes: int,
        encoder: str = "resnet18",
        arguments: Mapping[str, Any] | None = None,
        pooling: Pooling = "avg",
        dropout: float = 0.0,
    ) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        self.encoder_architecture = encoder
        self.pooled = Pooled(build_timm(encoder, arguments or {}, pooling), pooling)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.pooled.embedding, classes))

    @property
    def encoder(self) -> nn.Module:
        """What pretrained weights are for."""
        return self.pooled.network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes)`` of normalised images ``(N, 3, H, W)``."""
        logits: torch.Tensor = self.head(self.pooled(x))
        return logits
