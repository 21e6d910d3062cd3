"""One piece of work, and how it ends: the same here and on a worker of a cluster."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pathoai.errors import ClusterError, PathoaiError, StorageError
from pathoai.progress import Advance, silent

_PAUSE_S = 2.0
"""How much longer each new try waits: what failed for a moment needs one to come back."""

# What a network or a file server says that may answer a moment later. A full disk will not.
_PASSING = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.ENETUNREACH,
    errno.ENOLCK,
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
}


class Status(StrEnum):
    """How an item ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Done:
    """What an item's function returns.

    Args:
        text: One line for the person.
        skipped: The result was there already, complete.
    """

    text: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A piece of work that another process can do.

    Args:
        name: Shown to people and in logs: a coded id.
        function: Called as ``function(argument, threads, advance)``, where ``threads`` says how
            many it may use, None meaning no bound. To be sent it must be at the top of a module.
            It must be safe to call again after it was killed anywhere.
        argument: What it works on; never shown, since it may hold the path of a source file.
    """

    name: str
    function: Callable[[Any, int | None, Advance], Done]
    argument: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended.

    Args:
        name: The item's.
        status: Done, skipped or failed.
        text: The result, or the cause of the failure, in one line.
        error: Of a failure.
        passing: The cause may be gone at another try.
    """

    name: str
    status: Status
    text: str
    error: PathoaiError | None = None
    passing: bool = False

    @classmethod
    def failed(cls, name: str, error: PathoaiError, *, passing: bool = False) -> Outcome:
        """The failure of the item of that name."""
        return cls(name, Status.FAILED, error.what, error, passing)

    @classmethod
    def died(cls, name: str, times: int) -> Outcome:
        """The failure of an item whose process died so many times."""
        often = "once" if times == 1 else f"{times} times"
        remedy = "give each worker more memory, or leave it out and report it"
        return cls.failed(name, ClusterError(f"its worker died {often}", where=name, remedy=remedy))

    @classmethod
    def unforeseen(cls, name: str, error: BaseException) -> Outcome:
        """The failure of an item for a cause that no user can act on.

        The text of the cause is left out: it may quote a path.
        """
        named = ClusterError(
            f"an unexpected error on the worker ({type(error).__name__})",
            where=name,
            remedy="run it alone, without --cluster, with PATHOAI_DEBUG=1, and report what it says",
        )
        return cls.failed(name, named)


def attempt(
    item: WorkItem, *, threads: int | None = None, earlier: int = 0, advance: Advance = silent
) -> Outcome:
    """Try once; a failure that a user can act on is an outcome, and anything else is raised.

    Args:
        item: The work.
        threads: How many it may use; None is no bound.
        earlier: Tries that failed before; each makes this one wait two seconds longer.
        advance: Told of the progress inside the item.
    """
    time.sleep(earlier * _PAUSE_S)
    try:
        done = item.function(item.argument, threads, advance)
    except PathoaiError as error:
        return Outcome.failed(item.name, error, passing=isinstance(error, StorageError))
    except OSError as error:
        if error.errno is None:  # not from the system: some library's own error
            raise
        # Without the file's name: it may be a source file's.
        named = StorageError(
            os.strerror(error.errno),
            where=item.name,
            remedy="make room or mend the disk, and run the same command again",
        )
        return Outcome.failed(item.name, named, passing=error.errno in _PASSING)
    return Outcome(item.name, Status.SKIPPED if done.skipped else Status.DONE, done.text)


def attempt_until_settled(
    item: WorkItem, *, retries: int, threads: int | None = None, advance: Advance = silent
) -> Outcome:
    """Try in this process until the item is done, fails for good, or retries are used up."""
    for earlier in range(retries + 1):
        outcome = attempt(item, threads=threads, earlier=earlier, advance=advance)
        if not outcome.passing:
            break
    return outcome
