"""How well a score ranks cases above others: the area under the ROC curve, and points on it.

Area by ranks: Hanley JA, McNeil BJ. Radiology 1982. Every function takes weights of the items, so
that a bootstrap of thousands of resamples is one call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.confusion import quotient

Scores = NDArray[np.floating[Any]]


def auc(
    scores: Scores, positive: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The chance that a case scores above a control, ties counting half; ``(…,)``.

    Args:
        scores: ``(N,)``, higher for cases.
        positive: ``(N,)`` bool.
        weights: ``(…, N)``, how often each item counts; once each where None.

    Returns:
        NaN where there are no cases or no controls.
    """
    cases, controls = _sorted_weights(scores, positive, weights)
    below = np.cumsum(controls, axis=-1) - controls / 2
    return quotient((cases * below).sum(-1), cases.sum(-1) * controls.sum(-1))


def roc_curve(
    scores: Scores, positive: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """1 − specificity and sensitivity at every threshold, from (0, 0) to (1, 1)."""
    cases, controls = _sorted_weights(scores, positive, None)
    rates = [
        np.concatenate([[0.0], quotient(np.cumsum(w[::-1]), w.sum())]) for w in (controls, cases)
    ]
    return rates[0], rates[1]


def sensitivity_at(
    scores: Scores,
    positive: ArrayLike,
    false_rates: ArrayLike,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Sensitivity at given rates of 1 − specificity, read off the ROC curve; ``(…, R)``.

    Args:
        scores: ``(N,)``, higher for cases.
        positive: ``(N,)`` bool.
        false_rates: ``(R,)``.
        weights: ``(…, N)``, how often each item counts; once each where None.

    Returns:
        NaN where there are no cases or no controls.
    """
    wanted = np.asarray(false_rates, np.float64)
    every = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    if not len(scores):
        return np.full((*every.shape[:-1], len(wanted)), np.nan)
    curves = [
        np.cumsum(w[..., ::-1], axis=-1).reshape(-1, w.shape[-1])
        for w in _sorted_weights(scores, positive, every)
    ]
    rows = [_interpolated(wanted, controls, cases) for cases, controls in zip(*curves, strict=True)]
    return np.reshape(rows, (*every.shape[:-1], len(wanted)))


def _interpolated(
    wanted: NDArray[np.float64], controls: NDArray[np.float64], cases: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not len(cases) or not controls[-1] or not cases[-1]:
        return np.full(len(wanted), np.nan)
    false = np.concatenate([[0.0], controls / controls[-1]])
    return np.asarray(np.interp(wanted, false, np.concatenate([[0.0], cases / cases[-1]])))


def auc_of_classes(
    probabilities: Scores, truth: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Of each class against all others, ``(…, K)``.

    Args:
        probabilities: ``(N, K)``.
        truth: ``(N,)`` true classes.
        weights: ``(…, N)``.
    """
    true = np.asarray(truth)
    found = [auc(probabilities[:, k], true == k, weights) for k in range(probabilities.shape[1])]
    return np.stack(found, axis=-1)


def auc_of_thresholds(
    probabilities: Scores, truth: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Of grade 1 or worse, 2 or worse, …, ``(…, K − 1)``, for ordered classes.

    Args:
        probabilities: ``(N, K)``, classes from least to most severe.
        truth: ``(N,)`` true classes.
        weights: ``(…, N)``.
    """
    true = np.asarray(truth)
    found = [
        auc(probabilities[:, k:].sum(1), true >= k, weights)
        for k in range(1, probabilities.shape[1])
    ]
    return np.stack(found, axis=-1)


def _sorted_weights(
    scores: Scores, positive: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of cases and of controls at each different score, ascending, ``(…, M)`` each."""
    values = np.asarray(scores, np.float64)
    order = np.argsort(values, kind="stable")
    every = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    cases = np.asarray(positive, bool)[order]
    ranked = every[..., order]
    if not len(values):
        return ranked, ranked
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf) > 0)
    return (
        np.add.reduceat(ranked * cases, starts, axis=-1),
        np.add.reduceat(ranked * ~cases, starts, axis=-1),
    )
