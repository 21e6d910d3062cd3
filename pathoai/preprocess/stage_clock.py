"""How long each stage of a pipeline works, summed over its threads, for benchmarks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

import torch

Stage = Callable[[str], AbstractContextManager[None]]
"""Measures what happens within as the stage of that name."""


def unmeasured(_name: str) -> AbstractContextManager[None]:
    """Measures nothing."""
    return nullcontext()


class StageClock:
    """Sums seconds by the name of a stage.

    Args:
        device: Whose queue is waited for at the end of each stage, so that a stage is charged its
            own work; None does not wait, and stages overlap as in earnest.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        """Nothing is measured yet."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge what happens within to a stage."""
        start = time.perf_counter()
        yield
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        with self._lock:
            self.seconds[name] += time.perf_counter() - start
