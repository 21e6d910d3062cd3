"""Threads that share the cores by themselves, so torch must not split their operations further."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def undivided_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads each compute torch's operations alone; the caller's setting stays.

    Otherwise each thread would start as many more as there are cores, and all wait for each other.

    Args:
        workers: Number of threads.
    """
    before = torch.get_num_threads()
    try:
        # A thread's number is its own; those that start later take the number last set anywhere.
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
