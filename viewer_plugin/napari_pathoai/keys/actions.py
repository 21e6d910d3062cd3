"""What the user can do by a key, in one list that keys and the sheet of keys are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto


class WhileDrawing(Enum):
    """What a key does in the midst of an outline, which none may end or lose by accident."""

    NOTHING = auto()
    RUNS = auto()
    """As ever: it leaves the outline alone."""
    PASSES = auto()
    """To napari, and to what the annotations' layer binds: it ends the outline or gives it up."""


@dataclass(frozen=True, slots=True)
class ReviewAction:
    """One thing that a key does.

    Args:
        name: Key of its text.
        keys: Texts of key sequences as Qt spells them, e.g. ``"Y"``, ``"Ctrl+Z"``, ``"Shift+?"``.
        group: Key of the text of the group that it is listed under.
        run: Does it.
        values: Fields of the text.
        while_drawing: What its keys do in the midst of an outline.
    """

    name: str
    keys: tuple[str, ...]
    group: str
    run: Callable[[], object]
    values: dict[str, object] = field(default_factory=dict)
    while_drawing: WhileDrawing = WhileDrawing.NOTHING


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
