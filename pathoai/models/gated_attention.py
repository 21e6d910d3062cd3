"""Gated-attention pooling: the network learns which tiles of a slide matter.

Ilse M, Tomczak JM, Welling M. Attention-based deep multiple instance learning. ICML 2018.
"""

from __future__ import annotations

import torch
from torch import nn

from pathoai.models.bag_classifier import BagClassifier


class GatedAttention(BagClassifier):
    """Weighs tiles by softmax of ``w · (tanh(V h) ⊙ sigmoid(U h))``.

    Args:
        classes: Output channels.
        features: Length of a tile's features.
        hidden: Length of h, the vector that each tile is mapped to.
        attention_width: Rows of V and U.
        dropout: As of :class:`BagClassifier`.
    """

    def __init__(
        self,
        *,
        classes: int,
        features: int,
        hidden: int = 128,
        attention_width: int = 64,
        dropout: float = 0.25,
    ) -> None:
        """Random weights."""
        super().__init__(classes=classes, features=features, hidden=hidden, dropout=dropout)
        self.content = nn.Linear(hidden, attention_width)
        self.gate = nn.Linear(hidden, attention_width)
        self.score = nn.Linear(attention_width, 1)

    def weigh(self, projected: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Softmax over the tiles that are there."""
        gated = self.content(projected).tanh() * self.gate(projected).sigmoid()
        scores: torch.Tensor = self.score(gated).squeeze(-1)
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
