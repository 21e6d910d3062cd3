"""Agreement beyond chance of any number of readers, each of whom read every item.

Fleiss JL. Measuring nominal scale agreement among many raters. Psychol Bull 1971;76:378-382. The
readers need not be the same for every item, but as many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.confusion import quotient


def fleiss_kappa(counts: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Kappa of readers who chose among K classes, ``(…,)``; NaN where chance cannot disagree.

    Args:
        counts: ``(N, K)``: how many readers put each item into each class.
        weights: ``(…, N)``, how often each item counts; once each where None.

    Raises:
        InvalidValueError: The items were not read by as many readers each, or by one only.
    """
    table = np.asarray(counts, np.float64)
    readers = table.sum(axis=1)
    if len(table) and (readers.min() != readers.max() or readers.max() < 2):
        raise InvalidValueError(
            "Fleiss' kappa needs as many readers for every item",
            found=f"{readers.min():g} to {readers.max():g}",
            allowed="one number, 2 or more",
        )
    every = np.ones(len(table)) if weights is None else np.asarray(weights, np.float64)
    number = readers.max(initial=2)
    agreeing = (table * (table - 1)).sum(axis=1) / (number * (number - 1))
    items = every.sum(-1)
    observed = quotient(every @ agreeing, items)
    share = quotient(every @ table, (items * number)[..., None])
    chance = (share**2).sum(-1)
    # 1 − chance is 0 but for rounding where one class takes all.
    possible = np.where(np.isclose(chance, 1), 0, 1 - chance)
    return quotient(observed - chance, possible)
