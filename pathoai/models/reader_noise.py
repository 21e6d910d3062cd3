"""Readers who are off by one grade: what is read of a slide, given what is true of it.

A network that is told how often readers err learns the true grade from their grades (forward
correction; Patrini G et al. Making deep neural networks robust to label noise. CVPR 2017). One that
is not told believes each reader's error to be the slide's own doubt, and hedges.
"""

from __future__ import annotations

import torch

from pathoai.errors import InvalidValueError


def reading_matrix(classes: int, reader_noise: float) -> torch.Tensor:
    """Probability of each reading of each true grade, ``(K, K)`` float64, rows that sum to 1.

    Args:
        classes: Number of grades, in order.
        reader_noise: Share of slides that are read as a neighbouring grade, either with the same
            chance; at both ends there is but one.

    Raises:
        InvalidValueError: The share lies outside 0 to below 0.5, from where on more of a middle
            grade's readings would be wrong than right.
    """
    if not 0 <= reader_noise < 0.5:
        raise InvalidValueError("reader_noise", found=reader_noise, allowed="0 to below 0.5")
    place = torch.arange(classes)
    neighbours = ((place[:, None] - place).abs() == 1).double()
    off = reader_noise * neighbours / neighbours.sum(1, keepdim=True)
    return off + (1 - reader_noise) * torch.eye(classes, dtype=torch.float64)


def log_readings(log_probability: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Logarithms of the probabilities of what is read, from those of what is true; ``(N, K)``.

    Args:
        log_probability: ``(N, K)``, rows whose exponentials sum to 1.
        matrix: ``(K, K)`` of :func:`reading_matrix`.
    """
    steps = matrix.to(log_probability).log()
    return (log_probability[:, :, None] + steps).logsumexp(dim=1)
