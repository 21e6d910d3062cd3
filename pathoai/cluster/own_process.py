"""Work done in a process of its own: Python lets one thread of a process run at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from pathoai.errors import ClusterError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_NICE = 10


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of the work: a value, or an error."""

    value: Any = None
    error: Exception | None = None


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
    # Forked, it would have this one's locks, and its GPU. A pool's processes outlive their parent.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(there, function, args, kwargs))
    process.start()
    there.close()
    with here:
        try:
            answer: _Answer = here.recv()
        except EOFError as error:
            raise ClusterError(
                "a process of this machine ended before its work was done",
                remedy="look whether memory ran out, and run the same command again",
            ) from error
        finally:
            process.join()
    if answer.error is not None:
        raise answer.error
    found: _Result = answer.value
    return found


def _call(
    there: Connection,
    function: Callable[..., object],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> None:
    _stand_back()
    try:
        answer = _Answer(function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - all are raised where the work was asked for
        error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
        answer = _Answer(error=error)
    with suppress(BrokenPipeError):  # who asked was killed
        there.send(answer)


def _stand_back() -> None:
    """Leave the cores to the process that waits for this one, and Ctrl-C too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICE)
