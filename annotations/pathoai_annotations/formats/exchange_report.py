"""What an exchange of annotations could not carry, and what it mended: nothing goes silently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 5


@dataclass
class ExchangeReport:
    """Filled while a file is read or written; complete once that has ended.

    Args:
        format: Name of the format.
    """

    format: str
    _lost: Counter[str] = field(default_factory=Counter)
    _mended: Counter[str] = field(default_factory=Counter)
    _where: dict[str, list[str]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def lose(self, what: str, where: str, *, times: int = 1) -> None:
        """Say that something is not carried over.

        Args:
            what: The same words for the same kind of loss, e.g. ``probability``.
            where: The annotation's id, or the feature's place in the file.
            times: How often.
        """
        self._count(self._lost, what, where, times)

    def mend(self, what: str, where: str) -> None:
        """Say that something was repaired, because the user asked for it; arguments likewise."""
        self._count(self._mended, what, where, 1)

    def note(self, text: str) -> None:
        """Say something of the file as a whole, once."""
        if text not in self._notes:
            self._notes.append(text)

    def _count(self, counter: Counter[str], what: str, where: str, times: int) -> None:
        counter[what] += times
        examples = self._where.setdefault(what, [])
        if len(examples) < _EXAMPLES:
            examples.append(where)

    @property
    def lost(self) -> dict[str, int]:
        """How often each kind of thing was lost, in the order of their names."""
        return dict(sorted(self._lost.items()))

    @property
    def mended(self) -> dict[str, int]:
        """How often each kind of thing was repaired, likewise."""
        return dict(sorted(self._mended.items()))

    def lines(self) -> list[str]:
        """For people: one line for each kind of loss and repair, and the notes."""
        found = [
            f"{verb}: {what}, {count} times (e.g. {self._where[what][0]})"
            for verb, counts in (("not carried", self.lost), ("repaired", self.mended))
            for what, count in counts.items()
        ]
        return [*found, *self._notes]

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": self.format,
            "lost": self._listed(self.lost),
            "repaired": self._listed(self.mended),
            "notes": list(self._notes),
        }

    def _listed(self, counts: dict[str, int]) -> list[dict[str, Any]]:
        return [
            {"what": what, "count": count, "examples": list(self._where[what])}
            for what, count in counts.items()
        ]
