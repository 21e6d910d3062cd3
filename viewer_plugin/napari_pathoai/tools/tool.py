"""What a tool is: something in the reader's hand that hears what the mouse does to the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from napari_pathoai.drawing.mouse_place import Place


@dataclass(frozen=True)
class Press:
    """The left button, pressed.

    Args:
        place: Where.
        shift: True while Shift is held; likewise ``alt`` and ``control``.
    """

    place: Place
    shift: bool = False
    alt: bool = False
    control: bool = False


class Tool(Protocol):
    """One of the tools, of which exactly one is in the hand.

    Attributes:
        name: Key of its text.
    """

    name: str

    def start(self) -> None:
        """Taken into the hand."""

    def stop(self) -> None:
        """Put down; what is unfinished is finished or given up."""

    def pressed(self, press: Press) -> None:
        """The button went down."""

    def moved(self, place: Place) -> None:
        """The mouse moves with the button down."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """The button came up; as a click where the mouse stayed in its place."""
