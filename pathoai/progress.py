"""One progress bar for all long work, on standard error so that output stays machine-readable."""

from __future__ import annotations

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


@contextmanager
def progress_bar(description: str) -> Iterator[ProgressBar]:
    """Show a bar while work goes on; call what it yields with (done, total).

    Where standard error is no terminal (a log file, a cluster job), only the end is written.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield ProgressBar(bar, description)
