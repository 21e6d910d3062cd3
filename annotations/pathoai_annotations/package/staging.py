"""A folder that is either the old package, the new one, or not there: never half of one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import identifier_of


def check_place(out: Path, package_id: uuid.UUID) -> None:
    """Refuse a place that holds anything but an earlier package of the same study.

    Raises:
        PackageError: It does.
    """
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if (
        out.is_symlink()
        or not (out / layout.PAYLOAD / layout.METADATA).is_file()
        or identifier_of(out) != package_id.urn
    ):
        raise PackageError(
            "the place is taken by something that is not a package of this study",
            where=out.name,
            remedy="choose another folder, or move away what lies there",
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder beside ``out``, removed at the end unless it was published.

    Its name is fixed, so that the next run finds what one left that was killed or interrupted. Two
    runs cannot write the same ``out`` at once.

    Raises:
        OSError: The place is not writable.
        PackageError: Another run is making the package; it goes on.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        folder = out.with_name(f".{out.name}.partial")
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        except KeyboardInterrupt:
            raise  # whoever stops a long run may go on with it
        except BaseException:
            _remove(folder)
            raise
        _remove(folder)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold a place, which need not exist yet; released by the system if we die."""
    path = out.with_name(f".{out.name}.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
        while not path.exists():  # its last holder removed it between our opening and locking it
            lock.release()
            lock.acquire()
    except Timeout as error:
        raise PackageError(
            "another run is making this package",
            where=out.name,
            remedy="wait until it ends, or choose another folder",
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file: then it stays, and is no harm
            path.unlink()
        lock.release()


def publish(folder: Path, out: Path) -> None:
    """Flush a folder to disk and rename it to ``out``; an earlier package there is removed.

    Raises:
        OSError: The disk fails; the earlier package is put back.
    """
    _flush(folder)
    old = out.with_name(f".{out.name}.replaced")
    _remove(old)
    if out.exists():
        os.rename(out, old)
    try:
        os.rename(folder, out)
    except OSError:
        if old.exists():
            os.rename(old, out)
        raise
    _flush_folder(out.parent)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _flush(folder: Path) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _flush_one(Path(parent) / name, os.O_RDWR)
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    # Windows has no handle of a folder to flush; its renames are in the file system's journal.
    if os.name != "nt":
        _flush_one(folder, os.O_RDONLY)


def _flush_one(path: Path, access: int) -> None:
    descriptor = os.open(path, access)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
