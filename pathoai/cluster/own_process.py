"""Work done in a process of its own: Python lets one thread of a process run at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from pathoai.errors import ClusterError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_NICE = 10


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
    with ProcessPoolExecutor(1, context, initializer=_stand_back) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise ClusterError(
                "a process of this machine ended before its work was done",
                remedy="look whether memory ran out, and run the same command again",
            ) from error


def _stand_back() -> None:
    """Leave the cores to the process that waits for this one, and Ctrl-C too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICE)
