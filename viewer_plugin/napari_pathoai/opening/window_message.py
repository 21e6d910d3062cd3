"""What goes wrong while files are opened or saved becomes one line in the window.

napari shows an exception of a plugin as an error with a traceback, and asks first whether another
plugin should try. Neither helps whoever opened a damaged slide: the error itself says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from pathoai.errors import PathoaiError

Paths = str | Sequence[str]
Reader = Callable[[Paths], list[Any]]
"""Gives layers as napari takes them (`LayerData`), or `NOTHING_TO_SHOW`."""

NOTHING_TO_SHOW: list[Any] = [(None,)]
"""napari's sign that a file was dealt with and gives no layer."""


def shows_errors(read: Reader) -> Reader:
    """The same reading function, whose errors are one line in the window and no layer."""

    @wraps(read)
    def reading(paths: Paths) -> list[Any]:
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
