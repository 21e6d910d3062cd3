"""What is left of entries once undo has taken some back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar


class _Entry(Protocol):
    """An event, or a row of the log."""

    @property
    def action(self) -> Any: ...  # noqa: ANN401 - an id, or its text

    @property
    def undoes(self) -> Any: ...  # noqa: ANN401 - likewise

    @property
    def redoes(self) -> Any: ...  # noqa: ANN401 - likewise


_E = TypeVar("_E", bound=_Entry)


def without_undone(entries: Sequence[_E]) -> list[_E]:
    """Entries that hold: neither taken back, nor themselves taking something back.

    What an author undid of his own work is as if he had not done it, and does not make him the one
    who stands behind what others had done before.

    Args:
        entries: Oldest first; of each action whose undo is among them, all.
    """
    gone, kept = set(), []
    for entry in reversed(entries):
        taken_back = entry.undoes or entry.redoes
        if entry.action in gone:
            continue
        if taken_back is None:
            kept.append(entry)
        else:
            gone.add(taken_back)
    return kept[::-1]
