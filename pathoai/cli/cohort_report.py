"""What a person sees of work on a cohort: a line per slide, a table, and the failures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pathoai.cluster.work_item import Outcome, Status
from pathoai.errors import CohortError, PathoaiError

_SKIPPED = "complete before this run"


class CohortReport:
    """The outcomes of a cohort's slides, told as they come and summed up at the end."""

    def __init__(self, total: int, noun: str = "slides") -> None:
        """For so many slides, or what else they are, in the plural."""
        self._total, self._noun = total, noun
        self._outcomes: list[Outcome] = []

    @property
    def failures(self) -> dict[str, PathoaiError]:
        """The error of each slide that failed, by its id."""
        return {o.name: o.error for o in self._outcomes if o.error is not None}

    def tell(self, outcome: Outcome) -> None:
        """Print how one slide ended; the only slide's failure is left to the command's end."""
        self._outcomes.append(outcome)
        if outcome.error is None:
            skipped = f"{_SKIPPED}; " if outcome.status is Status.SKIPPED else ""
            print(f"{outcome.name}: {skipped}{outcome.text}")
        elif self._total > 1:
            named = str(outcome.error).startswith(outcome.name)
            prefix = "" if named else f"{outcome.name}: "
            print(f"pathoai: {prefix}{outcome.error}", file=sys.stderr)

    def conclude(self) -> None:
        """Print the table, and fail where a slide failed.

        Raises:
            PathoaiError: The only slide failed: its own error.
            CohortError: Some of several slides failed; the others are done.
        """
        failures = self.failures
        if self._total > 1:
            print("\n".join(_table(self._outcomes)))
        elif failures:
            raise next(iter(failures.values()))
        if failures:
            others = "; the others are done" if len(failures) < self._total else ""
            raise CohortError(
                f"{len(failures)} of {self._total} {self._noun} failed{others}",
                found=" | ".join(f"{slide_id}: {e.what}" for slide_id, e in failures.items()),
                remedy=f"mend or leave out these {self._noun} and run the same command again",
            )


def _table(outcomes: list[Outcome]) -> Iterator[str]:
    """How many slides ended how; those that failed one by one, in the order of their ids."""
    width = len(str(len(outcomes)))
    for status in Status:
        found = sorted((o for o in outcomes if o.status is status), key=lambda o: o.name)
        if not found:
            continue
        head = f"{status:<7}  {len(found):>{width}}"
        if status is not Status.FAILED:
            yield f"{head}  {_SKIPPED}" if status is Status.SKIPPED else head
            continue
        for number, outcome in enumerate(found):
            yield f"{head if number == 0 else ' ' * len(head)}  {outcome.name}  {outcome.text}"


@contextmanager
def cohort_bar(description: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """One bar for all slides; call what it yields with (slides ended, slides failed)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
    )
    # Results go above the bar on a terminal; into a file they must go unchanged.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=redirect) as bar:
        task = bar.add_task(description, total=total, failed=0)
        yield lambda ended, failed: bar.update(task, completed=ended, failed=failed)
