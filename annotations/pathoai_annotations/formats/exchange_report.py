"""What an exchange of annotations could not carry, and what it mended: nothing goes silently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 5
_LOST, _MENDED = "not carried", "repaired"


@dataclass
class ExchangeReport:
    """Filled while a file is read or written; complete once that has ended.

    Args:
        format: Name of the format.
    """

    format: str
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _where: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def lose(self, what: str, where: str, *, times: int = 1) -> None:
        """Say that something is not carried over.

        Args:
            what: The same words for the same kind of loss, e.g. ``probability``.
            where: The annotation's id, or the feature's place in the file.
            times: How often.
        """
        self._count(_LOST, what, where, times)

    def mend(self, what: str, where: str) -> None:
        """Say that something was repaired: the user asked for it, or it can mean but one thing."""
        self._count(_MENDED, what, where, 1)

    def note(self, text: str) -> None:
        """Say something of the file as a whole, once."""
        if text not in self._notes:
            self._notes.append(text)

    def unname(self, file_name: str, instead: str = "FILE") -> None:
        """Say nothing of the file's name, in which a patient's may stand."""
        for key, examples in self._where.items():
            self._where[key] = [place.replace(file_name, instead) for place in examples]
        self._notes = [note.replace(file_name, instead) for note in self._notes]

    def _count(self, kind: str, what: str, where: str, times: int) -> None:
        self._counts[kind, what] += times
        examples = self._where.setdefault((kind, what), [])
        if len(examples) < _EXAMPLES:
            examples.append(where)

    @property
    def lost(self) -> dict[str, int]:
        """How often each kind of thing was lost, in the order of their names."""
        return self._of(_LOST)

    @property
    def mended(self) -> dict[str, int]:
        """How often each kind of thing was repaired, likewise."""
        return self._of(_MENDED)

    def _of(self, kind: str) -> dict[str, int]:
        return {what: n for (of, what), n in sorted(self._counts.items()) if of == kind}

    def lines(self) -> list[str]:
        """For people: one line for each kind of loss and repair, and the notes."""
        found = [
            f"{kind}: {what}, {count} times (e.g. {self._where[kind, what][0]})"
            for (kind, what), count in sorted(self._counts.items())
        ]
        return [*found, *self._notes]

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": self.format,
            "lost": self._listed(_LOST),
            "repaired": self._listed(_MENDED),
            "notes": list(self._notes),
        }

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        return [
            {"what": what, "count": count, "examples": list(self._where[kind, what])}
            for what, count in self._of(kind).items()
        ]
