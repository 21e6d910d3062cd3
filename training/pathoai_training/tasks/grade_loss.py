"""The loss of grades that are ordered."""

from __future__ import annotations

import torch
from torch import nn

from pathoai.errors import InvalidValueError
from pathoai.models.reader_noise import log_readings, reading_matrix


class GradeLoss(nn.Module):
    """Cross entropy, plus that of the questions "is it worse than grade k?".

    The K − 1 answers are sums over the tail of the softmax of the same K logits (the targets are
    those of Cheng J, Wang Z, Pollastri G. A neural network approach to ordinal regression. IJCNN
    2008), so they cannot contradict each other, and both terms are proper scoring rules: an error
    by two grades costs more than one by one, and the probabilities that cost least are the true
    ones. Labels are not smoothed, which would spoil those. The expected cost itself is not
    minimised: it was measured to end in one grade for all slides.

    Args:
        ordinal_weight: Of the second term; the first has weight 1.
        reader_noise: Share of slides that readers grade one off. The loss is then of what they
            would read, and the softmax is of what is true (:mod:`pathoai.models.reader_noise`).

    Raises:
        InvalidValueError: A weight below 0, or a share outside 0 to below 0.5.
    """

    def __init__(self, ordinal_weight: float = 1.0, reader_noise: float = 0.0) -> None:
        """Keep the weight and the share."""
        super().__init__()
        if not ordinal_weight >= 0:
            raise InvalidValueError("ordinal_weight", found=ordinal_weight, allowed="0 or more")
        reading_matrix(2, reader_noise)
        self.ordinal_weight = ordinal_weight
        self.reader_noise = reader_noise

    def forward(self, logits: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """The mean loss of logits ``(B, K)`` against grades ``(B,)`` int64."""
        log_probability = logits.float().log_softmax(dim=1)
        if self.reader_noise:
            matrix = reading_matrix(logits.shape[1], self.reader_noise)
            log_probability = log_readings(log_probability, matrix)
        cross_entropy = nn.functional.nll_loss(log_probability, grade)
        if not self.ordinal_weight:
            return cross_entropy
        return cross_entropy + self.ordinal_weight * cumulative_loss(log_probability, grade)


def cumulative_loss(log_probability: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
    """Mean binary cross entropy of "worse than grade k", over slides and k.

    Args:
        log_probability: ``(B, K)``, rows whose exponentials sum to 1.
        grade: ``(B,)`` int64.
    """
    worse = log_probability.flip(1).logcumsumexp(1).flip(1)[:, 1:]
    not_worse = log_probability.logcumsumexp(1)[:, :-1]
    steps = torch.arange(worse.shape[1], device=grade.device)
    return -torch.where(grade[:, None] > steps, worse, not_worse).mean()
