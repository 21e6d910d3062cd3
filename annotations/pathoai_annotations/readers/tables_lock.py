"""One change at a time to the tables that say who reads what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from pathoai.errors import StudyError
from pathoai.study.study import Study

_WAIT_FOR_OTHERS_S = 60.0


@contextmanager
def tables_locked(study: Study) -> Iterator[None]:
    """Hold the tables of a study; released by the system if we die.

    Raises:
        StudyError: Another program holds them for a minute.
    """
    study.readers_path.mkdir(exist_ok=True)
    lock = FileLock(study.readers_path / ".tables.lock", timeout=_WAIT_FOR_OTHERS_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StudyError(
            "another program is changing who reads what",
            where=study.path.name,
            remedy="wait until it ends, and run the command again",
        ) from error
    try:
        yield
    finally:
        lock.release()
