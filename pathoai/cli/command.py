"""What a command is: components register theirs in the entry-point group ``pathoai.commands``.

The module that defines a command must be light: it is imported for ``pathoai --help``. Import what
is heavy (torch, napari, …) inside ``run``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """One word of the command line.

    Args:
        name: The word, e.g. ``tile``.
        summary: One line for ``pathoai --help``.
        example: A whole command line that works, shown by ``pathoai NAME --help``.
        configure: Adds the command's arguments to its parser.
        run: Does the work; raises a ``PathoaiError`` on failure.
    """

    name: str
    summary: str
    example: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], None]


class ExactParser(ArgumentParser):
    """Refuses shortened options: one would be understood today and mean another tomorrow."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        """As argparse makes it, for ``add_subparsers(parser_class=…)``."""
        super().__init__(allow_abbrev=False, **settings)
