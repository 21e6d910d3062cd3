"""Networks that classify a slide from the features of its tiles: a bag without an order.

All of them scale each tile's features, map them to a shorter vector, take a weighted mean of these
over the tiles, and name the class from it. They differ in the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from pathoai.errors import InvalidValueError
from pathoai.models.feature_scale import FeatureScale


class BagClassifier(nn.Module, ABC):
    """Classifies bags; the order of the tiles does not matter, nor does what the mask leaves out.

    Args:
        classes: Output channels.
        features: Length of a tile's features.
        hidden: Length of the vector that each tile is mapped to.
        dropout: Share of those vectors, and of the tiles' features, that training leaves out.

    Raises:
        InvalidValueError: A length below 1, or a share outside 0 to below 1.
    """

    def __init__(
        self, *, classes: int, features: int, hidden: int = 128, dropout: float = 0.25
    ) -> None:
        """Random weights."""
        super().__init__()
        for name, value in (("features", features), ("hidden", hidden)):
            if value < 1:
                raise InvalidValueError(name, found=value, allowed="1 or more")
        if not 0 <= dropout < 1:
            raise InvalidValueError("dropout", found=dropout, allowed="0 to below 1")
        self.scale = FeatureScale(features)
        self.project = nn.Sequential(
            # Slides of another scanner than those of training may lie far from their scale.
            nn.LayerNorm(features),
            nn.Dropout(dropout),
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(hidden, classes)

    @abstractmethod
    def weigh(self, projected: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Weight of each tile, ``(B, N)``: 0 where masked, and 1 in sum.

        Args:
            projected: ``(B, N, hidden)``.
            mask: ``(B, N)`` bool, True for tiles that are there: at least one of each bag.
        """

    def pool(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The vector of each bag, ``(B, hidden)``; takes what ``forward`` takes."""
        return self.pooled(features, mask)[0]

    def attention(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Weight of each tile in its bag's vector, ``(B, N)``; takes what ``forward`` takes."""
        return self.pooled(features, mask)[1]

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, classes)``.

        Args:
            features: ``(B, N, features)`` float; anything where masked.
            mask: ``(B, N)`` bool, True for tiles that are there: at least one of each bag.
        """
        logits: torch.Tensor = self.head(self.pool(features, mask))
        return logits

    def pooled(
        self, features: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vector of each bag and weights of its tiles at once; takes what ``forward`` takes."""
        # Padding may hold anything, also what is no number.
        projected = self.project(self.scale(torch.where(mask[..., None], features, 0.0)))
        weights = self.weigh(projected, mask)
        return torch.einsum("bn,bnh->bh", weights, projected), weights
