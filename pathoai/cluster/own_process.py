"""Work done in a process of its own: Python lets one thread of a process run at a time."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from pathoai.errors import ClusterError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_own_process(
    function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """What a function returns, or raises, that another process calls.

    The process ends with its work, also if this one is killed meanwhile.

    Args:
        function: At the top of a module; safe to call again after it was killed anywhere.
        args: What it is called with, all of which can be sent; so can what it returns.
        kwargs: Likewise.

    Raises:
        ClusterError: The process was killed.
    """
    # Forked, it would have this one's locks, and its GPU.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_ignore_interrupts) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise ClusterError(
                "a process of this machine ended before its work was done",
                remedy="look whether memory ran out, and run the same command again",
            ) from error


def _ignore_interrupts() -> None:
    """Ctrl-C in a terminal reaches this process too; the one that waits for it tells of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
