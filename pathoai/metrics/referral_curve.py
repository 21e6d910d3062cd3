"""What remains wrong when the slides that a model is least sure of go to the doctor.

El-Yaniv R, Wiener Y. On the foundations of noise-free selective classification. JMLR 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.confusion import quotient

Column = NDArray[np.floating[Any]]


def referral_curve(
    uncertainty: Column, loss: Column, shares: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Mean loss of the slides that the model keeps, ``(…, S)``.

    Equally uncertain slides are referred in random order: their mean loss is what is expected.

    Args:
        uncertainty: ``(N,)``; the highest are referred first.
        loss: ``(N,)``, e.g. 1 where the decision is wrong, or its cost.
        shares: ``(S,)`` shares of the slides that are referred, each at least 0 and below 1.
        weights: ``(…, N)``, how often each slide counts; once each where None.

    Returns:
        NaN where there are no slides.
    """
    values = np.asarray(uncertainty, np.float64)
    referred = np.asarray(shares, np.float64)
    every = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if not len(values):
        return np.full((*every.shape[:-1], len(referred)), np.nan)
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf) > 0)
    ranked = every[..., order]
    kept = np.add.reduceat(ranked, starts, axis=-1).cumsum(-1)
    lost = np.add.reduceat(ranked * np.asarray(loss)[order], starts, axis=-1).cumsum(-1)
    wanted = (1 - referred) * kept[..., -1:]
    rows = [
        np.interp(w, np.concatenate([[0.0], k]), np.concatenate([[0.0], v]))
        for w, k, v in zip(
            wanted.reshape(-1, len(referred)),
            kept.reshape(-1, kept.shape[-1]),
            lost.reshape(-1, lost.shape[-1]),
            strict=True,
        )
    ]
    return quotient(np.reshape(rows, wanted.shape), wanted)
