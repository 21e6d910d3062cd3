"""What the study sheet vouches for: SHA-256 of files that must not change, by table and name."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError

_SHEET = "study.toml"
_WAIT_S = 60


@contextmanager
def sheet_locked(study: Path) -> Iterator[None]:
    """Hold the study's sheet, so that two runs do not undo each other's entries.

    Raises:
        StudyError: Another run has held it for a minute.
    """
    lock = FileLock(study / f".{_SHEET}.lock", timeout=_WAIT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StudyError(
            "another run holds the study sheet",
            where=_SHEET,
            found=f"waited {_WAIT_S} s",
            remedy="end the run that hangs, then run the command again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def seals(study: Path, table: str) -> dict[str, str]:
    """Name → SHA-256 in a table of the study sheet; empty where there is none.

    Raises:
        StudyError: The table holds something else.
    """
    found = _content(study).get(table, {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise StudyError(
            "malformed study sheet", where=f"{_SHEET} [{table}]", allowed="name = SHA-256"
        )
    return found


def seal(study: Path, table: str, name: str, sha256: str) -> None:
    """Enter a hash; the caller holds :func:`sheet_locked`."""
    content = _content(study)
    content[table] = seals(study, table) | {name: sha256}
    write_text_atomically(study / _SHEET, tomli_w.dumps(content))


def _content(study: Path) -> dict[str, Any]:
    return tomllib.loads((study / _SHEET).read_text("utf8"))
