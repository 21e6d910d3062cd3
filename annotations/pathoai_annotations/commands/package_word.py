"""One word of ``pathoai package``, whichever module brings it."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any


def add_word(words: Any, name: str, summary: str, example: str) -> ArgumentParser:  # noqa: ANN401 - argparse keeps the type private
    """Add a word with an example below its help; shortened options are refused.

    Args:
        words: The subparsers of ``pathoai package``.
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
