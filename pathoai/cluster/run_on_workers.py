"""Items on the workers of a Dask cluster: one at a time on each, and nothing lost.

Dask would queue several items on a worker and, when that dies, hold all of them guilty. Here each
worker has one item, and each item is bound to its worker, so a death has one cause. The item then
goes to another worker, until it has used up its retries and is reported as failed.
"""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any
from uuid import uuid4

from distributed import Client, Future, KilledWorker, get_worker

from pathoai.cluster.work_item import Outcome, WorkItem, attempt
from pathoai.errors import ClusterError

_POLL_S = 0.5
"""How often the workers are counted."""
_GATHER_S = 30
"""How long a result may take to arrive before its worker counts as lost."""
_AGAIN = "run the same command again: what is finished is skipped, what is begun goes on"


def run_on_workers(
    client: Client,
    items: Iterable[WorkItem],
    *,
    retries: int = 2,
    resource: str = "",
    patience_s: float = math.inf,
) -> Generator[Outcome]:
    """Do every item once, each on one worker, in whatever order they end.

    Args:
        client: Of the cluster.
        items: What to do.
        retries: New tries of an item whose worker died, or that failed for a passing cause.
        resource: Where workers declare this resource, only they get items, and one unit is taken.
        patience_s: How long to wait when there is no worker at all, in seconds.

    Raises:
        ClusterError: The scheduler was lost, or no worker came.
        KeyboardInterrupt: Ctrl-C; what runs is cancelled.
    """
    run = _Run(client, items, retries, resource)
    seen = time.monotonic()
    with closing(run), _interrupt_flag() as interrupted:
        while run.is_unfinished:
            if interrupted.is_set():
                raise KeyboardInterrupt
            workers = _workers(client)
            if workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > patience_s:
                raise ClusterError("the cluster has no workers", remedy=_AGAIN)
            yield from run.bury(workers)
            run.start(workers)
            yield from run.collect()


@contextmanager
def _interrupt_flag() -> Iterator[Event]:
    """A flag that the first Ctrl-C sets; the second interrupts at once.

    Python drops a KeyboardInterrupt that strikes inside a finaliser, and futures have one.
    """
    interrupted = Event()
    if current_thread() is not main_thread():
        yield interrupted  # only the main thread hears signals
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _workers(client: Client) -> Mapping[str, Any]:
    """What the scheduler knows of each worker, by address."""
    found: Mapping[str, Any] | None = client.scheduler_info(n_workers=-1).get("workers")
    if found is None or client.status != "running":
        raise _lost()
    return found


def _lost() -> ClusterError:
    return ClusterError("the connection to the scheduler was lost", remedy=_AGAIN)


@dataclass(slots=True)
class _Errand:
    """An item under way, and what has befallen it."""

    item: WorkItem
    worker: str = ""
    deaths: int = 0
    failures: int = 0

    @property
    def tries(self) -> int:
        return self.deaths + self.failures


class _Run:
    """Which items wait, and which worker has which."""

    def __init__(
        self, client: Client, items: Iterable[WorkItem], retries: int, resource: str
    ) -> None:
        self._client = client
        self._retries = retries
        self._resource = resource
        self._waiting = deque(_Errand(item) for item in items)
        self._running: dict[str, tuple[_Errand, Future[Outcome]]] = {}
        self._ended: SimpleQueue[Future[Outcome]] = SimpleQueue()

    @property
    def is_unfinished(self) -> bool:
        return bool(self._waiting or self._running)

    def start(self, workers: Mapping[str, Any]) -> None:
        """Give each idle worker an item; one that was tried before goes to another worker."""
        usable = {address: w for address, w in workers.items() if w["status"] == "running"}
        able = {a: w for a, w in usable.items() if self._resource in w["resources"]} or usable
        busy = {errand.worker for errand, _ in self._running.values()}
        idle = [address for address in able if address not in busy]
        while self._waiting and idle:
            errand = self._waiting.popleft()
            errand.worker = next((a for a in idle if a != errand.worker), idle[0])
            idle.remove(errand.worker)
            declared = self._resource in able[errand.worker]["resources"]
            future: Future[Outcome] = self._client.submit(
                _attempt_on_worker,
                errand.item,
                errand.failures,
                key=f"{errand.item.name}-{uuid4().hex}",
                workers=[errand.worker],
                resources={self._resource: 1} if declared else None,
                pure=False,
            )
            self._running[str(future.key)] = errand, future
            future.add_done_callback(self._ended.put)

    def bury(self, workers: Mapping[str, Any]) -> Iterator[Outcome]:
        """Take back the items of workers that are gone."""
        for key, (errand, future) in list(self._running.items()):
            # What has ended is collected: a worker that leaves in order hands its results on.
            if errand.worker in workers or future.status == "finished":
                continue
            del self._running[key]
            future.cancel(force=True)
            errand.deaths += 1
            if errand.tries > self._retries:
                yield Outcome.died(errand.item.name, errand.deaths)
            else:
                self._waiting.append(errand)

    def collect(self) -> Iterator[Outcome]:
        """What has ended by now, after waiting a moment for the first."""
        for future in self._newly_ended():
            # Items taken back end too, by being cancelled.
            if (known := self._running.get(str(future.key))) is None:
                continue
            errand = known[0]
            try:
                outcome = _outcome(errand.item, future)
            except TimeoutError:
                continue  # the worker died with the result in its hands: it will be buried
            del self._running[str(future.key)]
            if outcome.passing and errand.tries < self._retries:
                errand.failures += 1
                self._waiting.append(errand)
            else:
                yield outcome

    def _newly_ended(self) -> Iterator[Future[Outcome]]:
        timeout_s = _POLL_S
        while True:
            try:
                yield self._ended.get(timeout=timeout_s)
            except Empty:
                return
            timeout_s = 0

    def close(self) -> None:
        """Leave nothing to be done on the cluster."""
        futures = [future for _, future in self._running.values()]
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)


def _outcome(item: WorkItem, future: Future[Outcome]) -> Outcome:
    """How an item ended, from its future.

    Raises:
        ClusterError: The connection to the scheduler is lost, so nothing can be known.
        TimeoutError: The result did not arrive.
    """
    if future.status not in ("finished", "error", "pending"):
        raise _lost()
    error = future.exception(timeout=_GATHER_S)
    if error is None:
        outcome: Outcome = future.result(timeout=_GATHER_S)
        return outcome
    if isinstance(error, KilledWorker):
        return Outcome.died(item.name, error.allowed_failures + 1)
    return Outcome.unforeseen(item.name, error)


def _attempt_on_worker(item: WorkItem, earlier: int) -> Outcome:
    """Try once, with the worker's threads; stop where the run that asked for it is over."""
    worker = get_worker()
    key = worker.get_current_task()

    def advance(done: int, total: int) -> None:
        # Dask cannot stop a thread, and a second run would find two writers on one store.
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise CancelledError

    return attempt(item, threads=worker.state.nthreads, earlier=earlier, advance=advance)
