"""One run at a time on one store: the second is told who holds it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pathoai.atomic_file import remove_partial_writes_of, write_text_atomically
from pathoai.errors import StoreError
from pathoai.provenance import utc_now


def lock_file(store_path: Path) -> Path:
    """The file by which runs on the store at a path keep out of each other's way."""
    return store_path.with_name(f".{store_path.name}.lock")


@contextmanager
def locked(store_path: Path) -> Iterator[None]:
    """Hold the store at a path, which need not exist yet; released by the system if we die.

    Raises:
        StoreError: Another run holds it; the message says which, on what machine, since when.
    """
    store_path.parent.mkdir(parents=True, exist_ok=True)
    holder = store_path.with_name(f".{store_path.name}.holder")
    lock = FileLock(lock_file(store_path), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            "another run is writing this store",
            where=store_path.stem,
            found=_holder(holder),
            remedy="wait until it ends; if it hangs, end that process and run the command again",
        ) from error
    try:
        remove_partial_writes_of(holder)
        about = {"process": os.getpid(), "machine": platform.node(), "since": utc_now()}
        write_text_atomically(holder, json.dumps(about))
        yield
    finally:
        holder.unlink(missing_ok=True)
        # The lock's file stays: removing it would let two others lock two files of one name.
        lock.release()


def _holder(file: Path) -> str:
    try:
        about = json.loads(file.read_text("utf8"))
    except (OSError, ValueError):
        return "a run that has just begun or ended"
    return f"process {about['process']} on {about['machine']}, since {about['since']}"
