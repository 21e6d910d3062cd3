"""Items done by processes of this machine: Python lets one thread of a process run at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Self

from pathoai.cluster.work_item import Outcome, WorkItem, attempt_until_settled
from pathoai.progress import Advance

_LOOK_S = 0.5
"""How often whoever waits for a process is told that it still works, so that he can stop it."""
_TELL_S = 0.1
"""How often it says how far it is, at most."""
_END_S = 5.0
"""How long it may take to end in order."""


class OwnProcesses:
    """Processes that do one item at a time each, started as they are needed.

    They end with this one, however it ends. Enter it, to leave none behind.

    Args:
        retries: New tries of an item whose process died, or that failed for a passing cause.
        threads: Of each process.
    """

    def __init__(self, retries: int, threads: int) -> None:
        """Nothing is started yet."""
        self._retries, self._threads = retries, threads
        self._idle: SimpleQueue[_OwnProcess] = SimpleQueue()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End those that are idle; one that works is ended by whoever stops waiting for it."""
        idle = list(iter(self._first_idle, None))
        for process in idle:
            process.let_go()  # all of them end at the same time
        for process in idle:
            process.end()

    def settle(self, item: WorkItem, advance: Advance) -> Outcome:
        """How an item ends; several threads may ask at once, and each gets a process of its own.

        Args:
            item: Safe to do again after its process was killed anywhere.
            advance: Told how far it is. What it raises ends the process.
        """
        outcome, deaths = None, 0
        while outcome is None:
            process = self._first_idle() or _OwnProcess()
            try:
                outcome = process.settle(item, self._retries, self._threads, advance)
            except _DeadError:
                deaths += 1
                if deaths > self._retries:
                    outcome = Outcome.died(item.name, deaths)
            finally:
                self._put_back(process)
        return outcome

    def _first_idle(self) -> _OwnProcess | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _put_back(self, process: _OwnProcess) -> None:
        if process.is_idle:
            self._idle.put(process)
        else:
            process.end()


class _DeadError(Exception):
    """A process ended before its work was done."""


class _OwnProcess:
    """One of them, and the way to it."""

    def __init__(self) -> None:
        # Forked, it would have this one's locks, and its GPU.
        context = multiprocessing.get_context("spawn")
        self._way, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self.is_idle = True

    def settle(self, item: WorkItem, retries: int, threads: int, advance: Advance) -> Outcome:
        """How an item ends.

        Raises:
            _DeadError: The process was killed.
        """
        self.is_idle = False
        self._send((item, retries, threads))
        said: Outcome | tuple[int, int] = (0, 1)
        while not isinstance(said, Outcome):
            advance(*said)
            said = self._heard(said)
        self.is_idle = True
        return said

    def let_go(self) -> None:
        """Tell it that nothing more is wanted; where it works, it hears when it says how far."""
        self._way.close()

    def end(self) -> None:
        """Let it go, and be sure that it went: what it did can be done again."""
        self.let_go()
        self._process.join(_END_S)
        self._process.kill()
        self._process.join()

    def _send(self, errand: tuple[WorkItem, int, int]) -> None:
        try:
            self._way.send(errand)
        except ConnectionError as error:
            raise _DeadError from error

    def _heard(self, before: tuple[int, int]) -> Outcome | tuple[int, int]:
        """What it says next; what it said before, where it says nothing for a while."""
        try:
            found: Outcome | tuple[int, int] = before
            if self._way.poll(_LOOK_S):
                found = self._way.recv()
        except (EOFError, ConnectionError) as error:
            raise _DeadError from error
        return found


def _serve(way: Connection) -> None:
    """Do items as they come: what such a process does all its life."""
    # Ctrl-C reaches all processes of a terminal; the one that was started there ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    # Nobody at the other end means that nothing more is wanted.
    with suppress(EOFError, ConnectionError):
        while True:
            item, retries, threads = way.recv()
            way.send(_settled(item, retries, threads, _tell(way)))


def _end_with_parent() -> None:
    """A second run, after the first was killed, must not meet its processes at work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _tell(way: Connection) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _TELL_S:
            try:
                way.send((done, total))
            except ConnectionError:
                sys.exit(1)  # no failure of the item, and what it holds is put in order
            last = time.monotonic()

    return advance


def _settled(item: WorkItem, retries: int, threads: int, advance: Advance) -> Outcome:
    try:
        return attempt_until_settled(item, retries=retries, threads=threads, advance=advance)
    except Exception as error:  # noqa: BLE001 - nobody foresaw it; the other items go on
        return Outcome.unforeseen(item.name, error)
