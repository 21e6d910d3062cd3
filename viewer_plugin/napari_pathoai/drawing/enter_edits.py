"""Edits on their way into the journal: done, refused, or left because another program holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from napari_pathoai.session import ReviewSession
from pathoai.errors import BusyError, PathoaiError
from pathoai_annotations.drawing.drawn_edits import DrawnEdit

Edit = Callable[[], DrawnEdit]
"""Changes the journal and says what it touched."""


@dataclass
class Entered:
    """What became of edits.

    Args:
        done: What they did.
        refused: Why others were not done.
        left: Those that wait for another program, which holds the journal.
    """

    done: list[DrawnEdit] = field(default_factory=list)
    refused: list[PathoaiError] = field(default_factory=list)
    left: list[Edit] = field(default_factory=list)


def enter_edits(session: ReviewSession, actions: Sequence[Sequence[Edit]]) -> Entered:
    """Do each edit by itself, so that one that is refused does not lose the others.

    Once another program holds the journal, no further one is tried: each would wait again.

    Args:
        session: Whose edits they are.
        actions: Edits, in groups of which each is undone as one.
    """
    result = Entered()
    for action in actions:
        with session.as_one_action():
            for edit in action:
                if result.left:
                    result.left.append(edit)
                else:
                    _enter(edit, result)
    return result


def _enter(edit: Edit, result: Entered) -> None:
    try:
        result.done.append(edit())
    except BusyError:
        result.left.append(edit)
    except PathoaiError as error:
        result.refused.append(error)


def made(make: Callable[[], Edit]) -> Edit:
    """An edit; where it cannot be made, one that is refused when its turn comes."""
    try:
        return make()
    except PathoaiError as error:
        refusal = error

    def refuse() -> DrawnEdit:
        raise refusal

    return refuse
