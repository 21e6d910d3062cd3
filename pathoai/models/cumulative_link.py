"""From cumulative logits of an ordinal model to probabilities of its grades.

A cumulative model answers K − 1 questions, "is it worse than grade k?" (McCullagh P. Regression
models for ordinal data. JRSS B 1980). Trained as separate outputs the answers may contradict each
other; they are then replaced by the nearest ones, in the sense of least squares, that do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pathoai.errors import InvalidValueError


def grade_probabilities(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities of grades 0 to K − 1, ``(N, K)`` float64, rows that sum to 1.

    Args:
        logits: ``(N, K − 1)``: of grade > 0, grade > 1, … A temperature is applied to these
            logits, before this function.

    Raises:
        InvalidValueError: Another shape, or a logit is not a number.
    """
    found = np.asarray(logits, np.float64)
    if found.ndim != 2 or found.shape[1] < 1 or np.isnan(found).any():
        raise InvalidValueError(
            "cumulative logits", found=f"shape {found.shape}", allowed="(N, K − 1) numbers"
        )
    worse_than = falling(expit(found))
    ends = np.ones((len(found), 1)), np.zeros((len(found), 1))
    return np.asarray(-np.diff(np.hstack([ends[0], worse_than, ends[1]]), axis=1))


def falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest rows, by least squares, that never rise from left to right.

    By the min-max formula of isotonic regression (Barlow RE et al. Statistical inference under
    order restrictions. 1972): neither severe nor mild answers are favoured, as a running maximum
    or minimum would do. The columns are few, so the formula is fast enough.

    Args:
        values: ``(N, M)``.
    """
    count = values.shape[1]
    sums = np.hstack([np.zeros((len(values), 1)), values.cumsum(axis=1)])
    fitted = np.empty_like(values)
    for k in range(count):
        highest = [
            np.max([(sums[:, b + 1] - sums[:, a]) / (b + 1 - a) for b in range(k, count)], axis=0)
            for a in range(k + 1)
        ]
        fitted[:, k] = np.min(highest, axis=0)
    # Means of equal values differ in their last digit, which would give probabilities below 0.
    return np.minimum.accumulate(fitted, axis=1).clip(0.0, 1.0)
