"""The options that name slides of a study: by code, or by how only it begins."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its module is heavy, and needed only once the command runs
    from pathoai.study.study import Study


def add_slides(parser: ArgumentParser, which: str = "only these slides") -> None:
    """Add ``--slides``.

    Args:
        parser: Of the command.
        which: Begins the help: what is done with the slides named.
    """
    parser.add_argument(
        "--slides", nargs="+", metavar="ID", help=f"{which}, by code or how only it begins"
    )


def complete_codes(study: Study, options: Namespace) -> None:
    """Put whole codes in the place of what ``--slide`` and ``--slides`` say, where they are given.

    Args:
        study: Whose slides are named.
        options: Of the command; changed.

    Raises:
        StudyError: The study has no such slide, or several begin so.
    """
    if getattr(options, "slide", None) is not None:
        options.slide = study.cohort.named(options.slide).slide_id
    if getattr(options, "slides", None):
        cohort = study.cohort
        options.slides = [cohort.named(start).slide_id for start in options.slides]
