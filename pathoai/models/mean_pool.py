"""Mean pooling: every tile of a slide counts the same. The baseline of all attention."""

from __future__ import annotations

import torch

from pathoai.models.bag_classifier import BagClassifier


class MeanPool(BagClassifier):
    """Takes what :class:`BagClassifier` takes."""

    def weigh(self, projected: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """One over the number of tiles."""
        return mask / mask.sum(dim=1, keepdim=True)
