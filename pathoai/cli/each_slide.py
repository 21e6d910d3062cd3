"""Work on a cohort goes on past a bad slide, and ends by listing it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pathoai.cli.cohort_report import CohortReport, cohort_bar
from pathoai.cli.slide_lanes import in_lanes
from pathoai.cluster.own_process import OwnProcesses
from pathoai.cluster.work_item import Done, Outcome, WorkItem, attempt_until_settled
from pathoai.errors import PathoaiError, StudyError
from pathoai.progress import Advance, progress_bar
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study

if TYPE_CHECKING:  # dask is heavy, and an extra
    from pathoai.cluster.connect import ClusterChoice

_Outcomes = Generator[Outcome, None, None]


@dataclass(frozen=True, slots=True)
class Execution:
    """Where and how persistently slides are worked on.

    Args:
        cluster: None does one slide after the other in this process.
        retries: New tries of a slide whose worker died or whose disk did not answer.
        threads: In this process; None is no bound. Workers have their own.
        wants_gpu: Workers that declare a GPU, if any do, get all the slides.
        lanes: Slides that are under way at once in this process: one computes, while others are
            prepared and finished. Only for work that takes turns at what it computes on.
        in_processes: Each lane is a process of its own, which gets a share of the threads.
    """

    cluster: ClusterChoice | None = None
    retries: int = 0
    threads: int | None = None
    wants_gpu: bool = False
    lanes: int = 1
    in_processes: bool = False

    @property
    def is_on_this_machine(self) -> bool:
        """True where the devices of this process are those that compute."""
        return self.cluster is None or self.cluster.is_on_this_machine


def chosen_slides(study: Study, slides: Sequence[str] | None) -> list[CohortRow]:
    """The rows of the slides named by their codes or how only those begin, or all.

    Raises:
        StudyError: The study has no slides, or no such slide, or several begin so.
    """
    cohort = study.cohort
    if not len(cohort):
        raise StudyError(
            "the study has no slides yet",
            where=study.path.name,
            remedy="add some with `pathoai add STUDY SLIDES`",
        )
    return [cohort.named(start) for start in slides] if slides else list(cohort)


def for_each_slide(
    rows: Iterable[CohortRow], description: str, work: Callable[[CohortRow, Advance], str]
) -> None:
    """Do the work for every slide, here, and print its one-line result.

    Args:
        rows: The slides.
        description: Shown beside the progress bar.
        work: Does it for one slide; returns what to print.

    Raises:
        PathoaiError: The only slide failed: its own error.
        CohortError: Some of several slides failed; the others are done.
    """

    def item_of(row: CohortRow) -> WorkItem:
        return WorkItem(row.slide_id, lambda row, _, advance: Done(work(row, advance)), row)

    run_over_slides(rows, description, item_of, Execution())


def run_over_slides(
    rows: Iterable[CohortRow],
    description: str,
    item_of: Callable[[CohortRow], WorkItem],
    execution: Execution,
) -> None:
    """Do an item of work for every slide, here or on a cluster, and print how each ended.

    Args:
        rows: The slides; one named twice is done once, since a store has one writer.
        description: Shown beside the progress bar.
        item_of: Makes a slide's item; may fail for a slide.
        execution: Where.

    Raises:
        PathoaiError: The only slide failed: its own error.
        CohortError: Some of several slides failed; the others are done.
        ClusterError: The cluster cannot be reached, or was lost.
    """
    run_items({row.slide_id: partial(item_of, row) for row in rows}, description, execution)


def run_items(
    makers: Mapping[str, Callable[[], WorkItem]],
    description: str,
    execution: Execution,
    *,
    noun: str = "slides",
) -> None:
    """Do items of work by name, here or on a cluster, and print how each ended.

    Args:
        makers: Makes the item of each name; may fail for one.
        description: Shown beside the progress bar.
        execution: Where.
        noun: What an item is, in the plural.

    Raises:
        PathoaiError: The only item failed: its own error.
        CohortError: Some of several failed; the others are done.
        ClusterError: The cluster cannot be reached, or was lost.
    """
    report = CohortReport(len(makers), noun)
    items = []
    for name, make in makers.items():
        try:
            items.append(make())
        except PathoaiError as error:
            report.tell(Outcome.failed(name, error))
    if execution.cluster is None:
        with closing(_here(items, description, execution)) as outcomes:
            for outcome in outcomes:
                report.tell(outcome)
    elif items:
        _on_cluster(items, description, execution, execution.cluster, report)
    report.conclude()


def _here(
    items: Sequence[WorkItem], description: str, execution: Execution
) -> Generator[Outcome, None, None]:
    if execution.in_processes:
        threads = max(1, (execution.threads or os.cpu_count() or 1) // execution.lanes)
        with OwnProcesses(execution.retries, threads) as processes:
            yield from in_lanes(items, description, execution.lanes, processes.settle)
        return

    def settle(item: WorkItem, advance: Advance) -> Outcome:
        return attempt_until_settled(
            item, retries=execution.retries, threads=execution.threads, advance=advance
        )

    if execution.lanes > 1 and len(items) > 1:
        yield from in_lanes(items, description, execution.lanes, settle)
        return
    for item in items:
        with progress_bar(f"{description} {item.name}") as advance:
            outcome = settle(item, advance)
        yield outcome


def _on_cluster(
    items: Sequence[WorkItem],
    description: str,
    execution: Execution,
    choice: ClusterChoice,
    report: CohortReport,
) -> None:
    from pathoai.cluster.connect import connected
    from pathoai.cluster.gpu_workers import GPU
    from pathoai.cluster.run_on_workers import run_on_workers

    with connected(choice) as client:
        print(f"dashboard of the cluster: {client.dashboard_link}", file=sys.stderr)
        outcomes = run_on_workers(
            client,
            items,
            retries=execution.retries,
            resource=GPU if execution.wants_gpu else "",
            patience_s=choice.patience_s,
        )
        with closing(outcomes), cohort_bar(description, len(items)) as show:
            for ended, outcome in enumerate(outcomes, start=1):
                report.tell(outcome)
                show(ended, len(report.failures))
