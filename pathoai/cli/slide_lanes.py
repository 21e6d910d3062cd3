"""Several slides under way in one process: what one waits for, another uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from threading import Event

from pathoai.cluster.work_item import Outcome, WorkItem
from pathoai.progress import Advance, progress_bars


def in_lanes(
    items: Sequence[WorkItem],
    description: str,
    lanes: int,
    settle: Callable[[WorkItem, Advance], Outcome],
) -> Iterator[Outcome]:
    """How items end, as they do.

    Args:
        items: The work; begun in this order.
        description: Shown beside the progress bars.
        lanes: Items under way at once.
        settle: Does one; what it raises stops them all, and so does closing the iterator. The
            others stop the next time they tell of their progress.
    """
    stopped = Event()
    with progress_bars() as new_bar, ThreadPoolExecutor(lanes) as pool:

        def work(item: WorkItem) -> Outcome:
            bar = new_bar(f"{description} {item.name}")

            def advance(done: int, total: int) -> None:
                if stopped.is_set():
                    raise CancelledError
                bar(done, total)

            outcome = settle(item, advance)
            bar.remove()
            return outcome

        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            stopped.set()
            for future in futures:
                future.cancel()
