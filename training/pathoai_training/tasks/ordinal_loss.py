"""A loss that knows the order of classes: being wrong by three grades is worse than by one.

The sum over all grades of the logarithmic score of "it is worse than this grade" (the ranked
ignorance score: Tödter J, Ahrens B. Generalization of the ignorance score. Mon Weather Rev 2012),
with the probabilities of a softmax, so that the answers never contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pathoai.errors import InvalidValueError


class OrdinalLoss(nn.Module):
    """The mean over thresholds between grades of the cross entropy of being above.

    Args:
        grades: Rank of each class; classes may share one.

    Raises:
        InvalidValueError: Fewer than two ranks.
    """

    above: torch.Tensor

    def __init__(self, grades: Sequence[int]) -> None:
        """Note which classes lie above each threshold."""
        super().__init__()
        ranks = torch.tensor(list(grades))
        thresholds = ranks.unique()[:-1]  # sorted
        if not len(thresholds):
            raise InvalidValueError(
                "an ordinal loss needs an order", found=list(grades), allowed="two grades or more"
            )
        # (T, K); what follows from the grades is not a weight, so no checkpoint holds it.
        self.register_buffer("above", ranks > thresholds[:, None], persistent=False)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            logits: ``(N, K)``, of a softmax over the classes.
            target: ``(N,)`` int64 classes.
        """
        above = self.above
        chances = logits.float().log_softmax(1)[:, None]  # (N, 1, K)
        never = torch.finfo(chances.dtype).min
        log_above = chances.masked_fill(~above, never).logsumexp(2)  # (N, T)
        log_below = chances.masked_fill(above, never).logsumexp(2)
        truly_above = above[:, target].T
        return -torch.where(truly_above, log_above, log_below).mean()
