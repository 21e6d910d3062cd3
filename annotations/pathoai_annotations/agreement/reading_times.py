"""How long reading took, with a model's help and without.

A reader may have read easy slides with help and hard ones without. So what the help saved is
compared within strata: slides of one grade by one reader. Of each stratum that has both kinds, the
difference of the two medians; over strata, their mean, weighted by the number of the rarer kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pathoai.errors import InvalidValueError
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap

_RESAMPLES = 1000
"""Medians take no weights, so each resample is computed for itself."""


@dataclass(frozen=True, slots=True)
class TimedReading:
    """One reading of one slide, or of one region of it.

    Args:
        patient: Code of the slide's patient, or what stands for an unknown one.
        reader: Code of the reader.
        grade: Key of what he said, which makes readings alike.
        seconds: It took.
        with_model: Whether he saw what a model predicted.
    """

    patient: str
    reader: str
    grade: str
    seconds: float
    with_model: bool

    def __post_init__(self) -> None:
        """Refuse what is no time."""
        if not 0 <= self.seconds < float("inf"):
            raise InvalidValueError("reading time", found=self.seconds, allowed="0 s or more")


@dataclass(frozen=True)
class ReadingTimes:
    """What the times say.

    Args:
        with_model: Median seconds with help; None where there are none.
        without_model: Likewise without.
        saved: Seconds that the help saved within strata; None where no stratum has both kinds.
        counts: Readings with help, without, and strata that have both.
    """

    with_model: Interval | None
    without_model: Interval | None
    saved: Interval | None
    counts: tuple[int, int, int]


def reading_times(readings: Sequence[TimedReading]) -> ReadingTimes:
    """Medians and what was saved, each with its limits over resampled patients."""
    helped = [one for one in readings if one.with_model]
    alone = [one for one in readings if not one.with_model]
    strata = _strata(readings)
    saved = None
    if strata:
        paired = [one for one in readings if (one.reader, one.grade) in strata]
        saved = _bootstrap(paired, _saving)
    return ReadingTimes(
        _bootstrap(helped, _median) if helped else None,
        _bootstrap(alone, _median) if alone else None,
        saved,
        (len(helped), len(alone), len(strata)),
    )


def _bootstrap(
    readings: Sequence[TimedReading],
    statistic: Callable[[Sequence[TimedReading]], float],
) -> Interval:
    bootstrap = PatientBootstrap([one.patient for one in readings], resamples=_RESAMPLES)
    return bootstrap.of_indices(lambda index: statistic([readings[i] for i in index]))


def _median(readings: Sequence[TimedReading]) -> float:
    return float(np.median([one.seconds for one in readings])) if readings else float("nan")


def _saving(readings: Sequence[TimedReading]) -> float:
    """Weighted mean difference of medians; NaN where no stratum has both kinds."""
    kept = _strata(readings).values()
    weights = [min(len(helped), len(alone)) for helped, alone in kept]
    if not weights:
        return float("nan")
    gains = [float(np.median(alone) - np.median(helped)) for helped, alone in kept]
    return float(np.average(gains, weights=weights))


def _strata(
    readings: Sequence[TimedReading],
) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Seconds with help and without, of each reader and grade that has both."""
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for one in readings:
        found[one.reader, one.grade][0 if one.with_model else 1].append(one.seconds)
    return {key: kinds for key, kinds in found.items() if all(kinds)}
