"""Numbers as cells of a table: a value with its limits, or the words that say why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pathoai.metrics.patient_bootstrap import Interval
from pathoai.report.section import Cell, Measured, measured

NO_VALUE = "not defined: no two different values"
FEW_PATIENTS = 10


def cell(interval: Interval, why_not: str = NO_VALUE) -> Cell:
    """A single number."""
    return cells(interval, why_not)[0]


def cells(interval: Interval, why_not: str = NO_VALUE) -> list[Cell]:
    """All numbers of an interval."""
    return [why_not if math.isnan(one.estimate) else one for one in measured(interval)]


def signed(value: Cell) -> Cell:
    """A difference, with its sign."""
    return replace(value, signed=True) if isinstance(value, Measured) else value


def seconds(interval: Interval | None) -> Cell:
    """A time with its limits, in whole seconds below a minute, else minutes and seconds."""
    if interval is None:
        return "not measured"
    value = measured(interval)[0]
    if math.isnan(value.low):
        return f"{clock(value.estimate)} (no interval: one patient)"
    return f"{clock(value.estimate)} ({clock(value.low)} to {clock(value.high)})"


def clock(value: float) -> str:
    """``47 s``, ``3 min 05 s``; with a minus sign where time was lost."""
    sign, whole = "−" if round(value) < 0 else "", abs(round(value))
    minutes, rest = divmod(whole, 60)
    return f"{sign}{minutes} min {rest:02d} s" if minutes else f"{sign}{rest} s"


def on_few_patients(patients: Sequence[str]) -> str:
    """What must be said of intervals over few patients; nothing where there are enough."""
    number = len(set(patients))
    if number == 1:
        return "There is one patient only: no interval can be given."
    if number < FEW_PATIENTS:
        return (
            f"There are {number} patients only: these intervals are too narrow, and say little "
            "about other patients."
        )
    return ""


def joined(intervals: Sequence[Measured]) -> Interval:
    """Several numbers in one, for a drawing."""
    import numpy as np

    names = ("estimate", "low", "high", "defined")
    return Interval(*(np.array([getattr(one, name) for one in intervals]) for name in names))
