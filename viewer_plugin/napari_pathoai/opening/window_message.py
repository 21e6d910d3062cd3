"""What goes wrong while files are opened or saved becomes one line in the window.

napari shows an exception of a plugin as an error with a traceback, and asks first whether another
plugin should try. Neither helps whoever opened a damaged slide: the error itself says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING

from pathoai.errors import PathoaiError

if TYPE_CHECKING:
    from napari_pathoai.picture.layers import LayerData

Paths = str | Sequence[str]
ReadLayers = Callable[[Paths], "list[LayerData]"]

NOTHING_TO_SHOW: list[tuple[None]] = [(None,)]
"""napari's sign that a file was dealt with and gives no layer."""


def shows_errors(read: ReadLayers) -> Callable[[Paths], list[LayerData] | list[tuple[None]]]:
    """The same reading function, whose errors are one line in the window and no layer."""

    @wraps(read)
    def reading(paths: Paths) -> list[LayerData] | list[tuple[None]]:
        try:
            return read(paths)
        except PathoaiError as error:
            show_error_line(error)
            return NOTHING_TO_SHOW

    return reading


def show_error_line(error: PathoaiError) -> None:
    """Show an error: what, where, found, allowed and remedy in one line."""
    from napari.utils.notifications import show_error

    show_error(str(error))
