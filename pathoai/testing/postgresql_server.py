"""A PostgreSQL server of one's own, for tests and benchmarks: a folder, a socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathoai.errors import MissingDependencyError, StorageError

_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "pathoai"
_UNPRIVILEGED = ("postgres", "nobody")
_START_S = 60
_PAUSE_S = 0.05


def postgresql_programs() -> Path:
    """The folder of ``initdb`` and ``postgres``: Debian's newest, or that on the path.

    Raises:
        MissingDependencyError: There is none.
    """
    versions = [path.parent for path in _DEBIAN.glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    if found is None:
        raise MissingDependencyError(
            "PostgreSQL's server is not installed",
            found=f"no initdb in {_DEBIAN} or on the path",
            remedy="apt-get install postgresql",
        )
    return Path(found).resolve().parent


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Run a server, as an unprivileged user also where we are root, and remove it afterwards.

    It does not wait for the disk: what is in it is gone with it anyway.

    Yields:
        The URL of its database ``postgres``; more may be made.

    Raises:
        MissingDependencyError: The server is not installed.
        StorageError: It does not start.
    """
    programs = postgresql_programs()
    # Directly in the system's folder: a socket's path may have a hundred characters at most.
    folder = Path(tempfile.mkdtemp(prefix="pathoai-pg-"))
    try:
        user = _hand_over(folder)
        words = ("-U", _ACCOUNT, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        _run(user, folder, programs / "initdb", "-D", folder / "data", *words)
        server = _start(user, folder, programs)
        try:
            _wait(user, folder, programs, server)
            yield f"postgresql+psycopg://{_ACCOUNT}@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            server.wait(_START_S)
    finally:
        shutil.rmtree(folder)


def _hand_over(folder: Path) -> str | None:
    """The user whom the server runs as, and who owns its folder; None for ourselves."""
    if os.geteuid():
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    user = next(name for name in _UNPRIVILEGED if name in known)
    shutil.chown(folder, user)
    return user


def _run(user: str | None, folder: Path, *command: str | Path) -> None:
    done = subprocess.run(
        command, user=user, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StorageError("PostgreSQL cannot be set up", found=done.stderr or done.stdout)


def _start(user: str | None, folder: Path, programs: Path) -> subprocess.Popen[bytes]:
    settings = ("-k", folder, "-h", "", "-F", "-c", "shared_buffers=64MB")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *settings],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _wait(user: str | None, folder: Path, programs: Path, server: subprocess.Popen[bytes]) -> None:
    ask = (programs / "pg_isready", "-q", "-h", folder, "-U", _ACCOUNT)
    deadline = time.monotonic() + _START_S
    while subprocess.run(ask, user=user, cwd=folder, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise StorageError("PostgreSQL does not start", found=(folder / "log").read_text())
        time.sleep(_PAUSE_S)
