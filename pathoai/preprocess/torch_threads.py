"""Threads that share the cores by themselves, so torch must not split their operations further.

In torch a thread has a number of its own; one that starts later takes the number last set anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import torch

_T = TypeVar("_T")


class _NewThreads:
    """The number that new threads take: put back once nobody needs another any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = 0

    def number(self) -> int:
        """What it is when nobody needs another."""
        with self._lock:
            return self._before if self._users else _elsewhere(torch.get_num_threads)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever is set meanwhile, in the end it is what it was when the first user came."""
        with self._lock:
            if self._users == 0:
                self._before = _elsewhere(torch.get_num_threads)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    before = self._before
                    _elsewhere(lambda: torch.set_num_threads(before))


def _elsewhere(work: Callable[[], _T]) -> _T:
    """Do it in a new thread, so that the caller's own number is neither asked nor changed."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(work).result()


_NEW_THREADS = _NewThreads()


def all_threads() -> int:
    """The threads over which torch divides an operation where nobody says otherwise."""
    return _NEW_THREADS.number()


@contextmanager
def undivided_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads each compute torch's operations alone; the caller's setting stays.

    Otherwise each thread would start as many more as there are cores, and all wait for each other.
    Several may be open at once, in any threads.

    Args:
        workers: Number of threads.
    """
    with (
        _NEW_THREADS.kept(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


@contextmanager
def undivided() -> Iterator[None]:
    """The calling thread computes torch's operations alone; afterwards as before."""
    own = torch.get_num_threads()
    with _NEW_THREADS.kept():
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(own)
