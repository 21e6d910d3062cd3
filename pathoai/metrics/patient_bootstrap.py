"""How far a number could be off: percentile intervals over resampled patients.

Slides of one patient resemble each other, so patients are drawn, with replacement, and each brings
all of his slides (Field CA, Welsh AH. Bootstrapping clustered data. JRSS B 2007). Intervals that
draw slides were measured to be too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.confusion import quotient

RESAMPLES = 2000
LEVEL = 0.95
_BLOCK_VALUES = 1 << 22
"""Weights held at once: 32 MiB of float64."""

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers with their limits, each of one shape.

    Args:
        estimate: On the slides as they are.
        low: Lower limit; NaN where it cannot be known: one patient, or never defined.
        high: Upper limit, likewise.
        defined: Share of the resamples in which the number exists: a rare class is absent from
            some. The limits rest on these only.
    """

    estimate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    defined: NDArray[np.float64]

    def part(self, at: int) -> Interval:
        """One of the numbers, or of the rows of numbers."""
        return Interval(self.estimate[at], self.low[at], self.high[at], self.defined[at])


class PatientBootstrap:
    """The same resamples for every statistic, so that differences can be paired.

    Args:
        patients: ``(N,)`` code of each item's patient.
        resamples: How many.
        seed: Of the draws.

    Raises:
        InvalidValueError: There is no item, or fewer than one resample.
    """

    def __init__(
        self, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
    ) -> None:
        """Draw how often each patient counts in each resample."""
        if not len(patients) or resamples < 1:
            raise InvalidValueError(
                "a bootstrap needs patients",
                found=f"{len(patients)} items, {resamples} resamples",
                allowed="one or more of each",
            )
        names, self._group = np.unique(np.asarray(patients, str), return_inverse=True)
        self.patients = len(names)
        share = np.full(self.patients, 1 / self.patients)
        draws = np.random.default_rng(seed).multinomial(self.patients, share, size=resamples)
        self._draws = draws.astype(np.int32)

    def of_weights(self, statistic: Statistic) -> Interval:
        """Of a statistic that takes the items' weights.

        Args:
            statistic: From ``(B, N)`` float64, how often each item counts, to ``(B, …)``.
        """
        estimate = statistic(np.ones((1, len(self._group))))[0]
        return self._interval(estimate, np.concatenate([*map(statistic, self._weights())]))

    def of_sums(self, items: ArrayLike, statistic: Statistic, *, centred: bool = False) -> Interval:
        """Of a statistic of summed counts, such as Dice of a confusion; fast for few patients.

        Args:
            items: ``(N, …)`` counts of each item.
            statistic: From ``(B, …)`` sums over items to ``(B, …)``.
            centred: Take from the limits what resampling adds on average. For statistics that any
                noise makes larger, such as a calibration error: their plain limits can lie
                altogether above the estimate.
        """
        counts = np.asarray(items, np.float64)
        by_patient = np.zeros((self.patients, *counts.shape[1:]))
        np.add.at(by_patient, self._group, counts)
        sums = np.tensordot(self._draws.astype(np.float64), by_patient, axes=1)
        estimate, found = statistic(counts.sum(0)[None])[0], statistic(sums)
        added = np.nanmean(found, axis=0) - estimate if centred else 0.0
        return self._interval(estimate, found - added)

    def of_indices(self, statistic: Callable[[NDArray[np.int64]], ArrayLike]) -> Interval:
        """Of any statistic of a list of items; slow, for those that take no weights.

        Args:
            statistic: From the positions of items, some repeated, to a number or an array.
        """
        index = np.arange(len(self._group))
        found = [statistic(np.repeat(index, row[self._group])) for row in self._draws]
        return self._interval(np.asarray(statistic(index)), np.asarray(found, np.float64))

    def _weights(self) -> Iterator[NDArray[np.float64]]:
        rows = max(1, _BLOCK_VALUES // len(self._group))
        for first in range(0, len(self._draws), rows):
            yield self._draws[first : first + rows, self._group].astype(np.float64)

    def _interval(self, estimate: NDArray[np.float64], found: NDArray[np.float64]) -> Interval:
        exists = ~np.isnan(found)
        defined = exists.mean(axis=0)
        limits = np.full((2, *found.shape[1:]), np.nan)
        known = np.asarray(exists.any(axis=0))
        if self.patients > 1 and known.any():
            tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
            limits[:, known] = np.nanquantile(found[:, known], tails, axis=0)
        return Interval(np.asarray(estimate, np.float64), limits[0], limits[1], defined)


def mean_of(values: NDArray[np.float64]) -> Statistic:
    """The weighted mean over items of what exists, as a statistic of weights.

    Args:
        values: ``(N, …)``, NaN where it does not exist.
    """
    exists = ~np.isnan(values)
    known = np.where(exists, values, 0.0)
    return lambda weights: quotient(
        np.tensordot(weights, known, axes=1), np.tensordot(weights, exists, axes=1)
    )
