"""One progress bar for all long work, on standard error so that output stays machine-readable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int, int], None]
"""Called with (units done, units in all)."""


def silent(done: int, total: int) -> None:
    """Report to nobody."""


class ProgressBar:
    """Shows a count, and beside it what else is worth seeing.

    Args:
        bar: What draws.
        description: What is being done.
    """

    def __init__(self, bar: Progress, description: str) -> None:
        """Begin without knowing how much there is."""
        self._bar = bar
        self._task = bar.add_task(description, total=None, note="")

    def __call__(self, done: int, total: int) -> None:
        """Units done and units in all."""
        self._bar.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        """Figures of the moment, e.g. ``loss 0.31``."""
        self._bar.update(self._task, note=text)

    def remove(self) -> None:
        """Make room for others, where there is a screen: a log keeps it."""
        if self._bar.console.is_terminal:
            self._bar.remove_task(self._task)


@contextmanager
def progress_bar(description: str) -> Iterator[ProgressBar]:
    """Show a bar while work goes on; call what it yields with (done, total).

    Where standard error is no terminal (a log file, a cluster job), only the end is written.
    """
    with _bars() as bars:
        yield ProgressBar(bars, description)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], ProgressBar]]:
    """Show several bars at once, one for each call of what it yields, from any thread."""
    with _bars() as bars:
        yield lambda description: ProgressBar(bars, description)


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    # Results go above the bars on a terminal; into a file they must go unchanged.
    return Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
