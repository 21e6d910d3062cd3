"""What a command is: components register theirs in the entry-point group ``pathoai.commands``.

The module that defines a command must be light: it is imported for ``pathoai --help``. Import what
is heavy (torch, napari, …) inside ``run``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
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


def add_action(words: Any, name: str, summary: str, example: str) -> ArgumentParser:  # noqa: ANN401 - argparse keeps the type private
    """Add a word with an example below its help.

    Shortened options are refused: one would be understood today and mean another tomorrow.

    Args:
        words: What ``add_subparsers`` gave.
        name: The word.
        summary: One line.
        example: A whole command line that works.
    """
    parser: ArgumentParser = words.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser
