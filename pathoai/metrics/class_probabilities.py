"""Probabilities of classes as arrays: what must hold of them before anything rests on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError

_LARGEST_SUM_ERROR = 1e-3
"""Of float16 sums over ten classes; a larger one means that logits were given."""


def check_probabilities(
    probabilities: NDArray[np.floating[Any]], classes: int | None = None
) -> NDArray[np.float64]:
    """The same probabilities as ``(N, K)`` float64, each row scaled to sum to 1 exactly.

    Args:
        probabilities: ``(N, K)``, 0 to 1.
        classes: K, where known.

    Raises:
        InvalidValueError: Another shape, a value outside 0 to 1 or not finite, or a row that does
            not sum to 1.
    """
    found = np.asarray(probabilities, np.float64)
    if found.ndim != 2 or found.shape[1] < 2 or (classes is not None and found.shape[1] != classes):
        raise InvalidValueError(
            "probabilities of classes",
            found=f"shape {found.shape}",
            allowed=f"(N, {classes if classes is not None else 'K ≥ 2'})",
        )
    total = found.sum(axis=1)
    off = ~(np.abs(total - 1) <= _LARGEST_SUM_ERROR) | ~(found >= 0).all(axis=1)
    if off.any():
        first = int(np.flatnonzero(off)[0])
        raise InvalidValueError(
            "not probabilities: each row is 0 to 1 and sums to 1",
            where=f"row {first}",
            found=found[first].tolist(),
            remedy="give probabilities, not logits",
        )
    return np.asarray(found / total[:, None])


def check_truth(truth: ArrayLike, count: int, classes: int) -> NDArray[np.int64]:
    """The true class of each row, ``(N,)`` int64.

    Args:
        truth: ``(N,)`` positions of classes, 0 to K − 1.
        count: N.
        classes: K.

    Raises:
        InvalidValueError: Another length, or a class that does not exist.
    """
    found = np.asarray(truth)
    if found.shape != (count,) or not np.issubdtype(found.dtype, np.integer):
        raise InvalidValueError(
            "true classes",
            found=f"shape {found.shape}, {found.dtype}",
            allowed=f"({count},) whole numbers",
        )
    if count and (found.min() < 0 or found.max() >= classes):
        raise InvalidValueError(
            "true class out of range",
            found=f"{found.min()} to {found.max()}",
            allowed=f"0 to {classes - 1}",
        )
    return found.astype(np.int64)
