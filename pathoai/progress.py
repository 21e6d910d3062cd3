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


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """Show a bar while work goes on; call what it yields with (done, total).

    Where standard error is no terminal (a log file, a cluster job), only the end is written.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
