"""Net benefit of acting on a model, against acting on every patient and on none.

Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating prediction models. Med
Decis Making 2006.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.confusion import quotient

Column = NDArray[np.floating[Any]]


def net_benefit(
    probability: Column,
    positive: ArrayLike,
    thresholds: ArrayLike,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """True positives per slide, less false positives at the threshold's odds; ``(…, T)``.

    Args:
        probability: ``(N,)`` calibrated, of being a case.
        positive: ``(N,)`` bool.
        thresholds: ``(T,)``: the probability from which a doctor would act; at least 0, below 1.
        weights: ``(…, N)``, how often each slide counts; once each where None.

    Raises:
        InvalidValueError: A threshold outside 0 to 1.
    """
    limits = np.asarray(thresholds, np.float64)
    if len(limits) and not (limits.min() >= 0 and limits.max() < 1):
        raise InvalidValueError(
            "threshold of a decision curve", found=limits.tolist(), allowed="0 or more, below 1"
        )
    acted = np.asarray(probability, np.float64)[:, None] >= limits
    cases = np.asarray(positive, bool)[:, None]
    gain = np.where(cases, 1.0, -limits / (1 - limits)) * acted
    every = np.ones(len(acted)) if weights is None else np.asarray(weights, np.float64)
    return quotient(every @ gain, every.sum(-1)[..., None])


def net_benefit_of_all(
    positive: ArrayLike, thresholds: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Of acting on every slide, ``(…, T)``; acting on none has a net benefit of 0.

    Raises:
        InvalidValueError: A threshold outside 0 to 1.
    """
    cases = np.asarray(positive, bool)
    return net_benefit(np.ones(len(cases)), cases, thresholds, weights)
