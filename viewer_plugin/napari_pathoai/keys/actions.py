"""What the user can do by a key, in one list that keys and the sheet of keys are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReviewAction:
    """One thing that a key does.

    Args:
        name: Key of its text.
        keys: Texts of key sequences as Qt spells them, e.g. ``"Y"``, ``"Ctrl+Z"``, ``"Shift+?"``.
        group: Key of the text of the group that it is listed under.
        run: Does it.
        values: Fields of the text.
    """

    name: str
    keys: tuple[str, ...]
    group: str
    run: Callable[[], object]
    values: dict[str, object] = field(default_factory=dict)


def by_key(actions: Iterable[ReviewAction]) -> dict[str, ReviewAction]:
    """The actions by their keys.

    Raises:
        ValueError: Two have the same key: a fault of the program, never of its user.
    """
    pairs = [(key, action) for action in actions for key in action.keys]
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"keys with two meanings: {', '.join(twice)}")
    return dict(pairs)
