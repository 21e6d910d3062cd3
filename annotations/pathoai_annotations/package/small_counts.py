"""Counts below 11 are not published, and not to be worked out from what is (statistical secrecy).

Primary suppression hides counts of 1 to 10, as French health statistics do; complementary
suppression hides more until, of everything hidden, at least two values agree with all that is
shown (Hundepool A et al. Statistical Disclosure Control. Wiley 2012, chapter 4). Whoever reads the
package is taken to know this method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SMALLEST_SHOWN = 11
"""Of French health data (ATIH, CASD): fewer could lead to persons."""
_DIGITS = 9
"""More than the largest count that is small has."""

Interval = tuple[float, float]
_SMALL: Interval = (1, SMALLEST_SHOWN - 1)
_LARGE: Interval = (SMALLEST_SHOWN, math.inf)
_ANY: Interval = (0, math.inf)
_WORDS = {_SMALL: f"<{SMALLEST_SHOWN}", _LARGE: f">={SMALLEST_SHOWN}", _ANY: "not shown"}
HIDDEN = frozenset(_WORDS.values())
"""What stands in the place of a count that is not shown."""


def is_small(count: int) -> bool:
    """True for a count that is not to be shown."""
    return 0 < count < SMALLEST_SHOWN


def is_shown_small(cell: str) -> bool:
    """True for the text of a count that should have been hidden."""
    # A few digits tell: Python refuses to read thousands of them.
    return cell.isdecimal() and is_small(int(cell.lstrip("0")[:_DIGITS] or "0"))


@dataclass(frozen=True, slots=True)
class ShownCounts:
    """Counts of the same things, divided in several ways, as they may be read.

    Args:
        total: Of all things.
        divisions: Name of a division → part → its count.
    """

    total: str
    divisions: Mapping[str, Mapping[str, str]]


def all_counts(total: int, divisions: Mapping[str, Mapping[str, int]]) -> ShownCounts:
    """Everything shown: for those who may see the things themselves."""
    shown = {name: {k: str(n) for k, n in parts.items()} for name, parts in divisions.items()}
    return ShownCounts(str(total), shown)


def without_small_counts(total: int, divisions: Mapping[str, Mapping[str, int]]) -> ShownCounts:
    """Hide what is small, and what it could be worked out from.

    Args:
        total: Of all things.
        divisions: Each divides all things once; its parts add up to the total.
    """
    hiding = _Hiding(total, divisions)
    while hiding.find_and_hide():
        pass
    return ShownCounts(
        _word(hiding.total, total),
        {
            name: {part: _word(hiding.cells[name][part], n) for part, n in parts.items()}
            for name, parts in divisions.items()
        },
    )


def _word(shown: Interval, count: int) -> str:
    return _WORDS.get(shown, str(count))


def _as_shown(count: int) -> Interval:
    return _SMALL if is_small(count) else (count, count)


def _is_exact(shown: Interval) -> bool:
    return shown[0] == shown[1]


@dataclass(frozen=True, slots=True)
class _Sum:
    """Of intervals; one of them can be taken out again, though some have no end."""

    low: float
    high: float
    endless: int

    @classmethod
    def of(cls, cells: Iterable[Interval]) -> _Sum:
        found = list(cells)
        ends = [high for _, high in found if math.isfinite(high)]
        return cls(sum(low for low, _ in found), sum(ends), len(found) - len(ends))

    def without(self, cell: Interval) -> Interval:
        endless, high = self.endless, self.high
        if math.isinf(cell[1]):
            endless -= 1
        else:
            high -= cell[1]
        return self.low - cell[0], math.inf if endless else high

    @property
    def interval(self) -> Interval:
        return self.without((0, 0))


class _Hiding:
    """What a reader knows: of every count an interval, and that parts add up to the total.

    Divisions meet in the total alone, so what can be worked out follows from sums of intervals.
    """

    def __init__(self, total: int, divisions: Mapping[str, Mapping[str, int]]) -> None:
        self.counts = divisions
        self.total = _as_shown(total)
        self.cells = {
            name: {part: _as_shown(n) for part, n in parts.items()}
            for name, parts in divisions.items()
        }

    def find_and_hide(self) -> bool:
        """Hide one more count, if anything hidden can be worked out."""
        sums = {name: _Sum.of(cells.values()) for name, cells in self.cells.items() if cells}
        intervals = [self.total, *(one.interval for one in sums.values())]
        total = (max(low for low, _ in intervals), min(high for _, high in intervals))
        for name, all_parts in sums.items():
            for cell in self.cells[name].values():
                low, high = all_parts.without(cell)
                can_be = (max(cell[0], total[0] - high), min(cell[1], total[1] - low))
                if not _is_exact(cell) and _is_exact(can_be):
                    self._hide_in(name)
                    return True
        if sums and _is_exact(total) and not _is_exact(self.total):
            self._hide_in(max(sums, key=lambda name: len(self._shown(name))))
            return True
        return False

    def _shown(self, name: str) -> list[str]:
        """Parts of a division that are shown and not empty, small ones first."""
        parts = [p for p, cell in self.cells[name].items() if _is_exact(cell) and cell[0]]
        return sorted(parts, key=lambda part: (self.counts[name][part], part))

    def _hide_in(self, name: str) -> None:
        if shown := self._shown(name):
            self.cells[name][shown[0]] = _LARGE
        elif _is_exact(self.total):
            self.total = _LARGE
        else:
            self.total = _ANY
            for parts in self.cells.values():
                parts.update(dict.fromkeys(parts, _ANY))
