"""What all databases in a SQLite file have in common, also those that are only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pathoai_annotations.journal.database import Database

CACHE = "PRAGMA cache_size = -65536"
"""Enough for the indexes of a slide, KiB: entering 100,000 annotations takes half the time."""
_FIRST_SCHEMA = 1
_UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# To open the write-ahead log, SQLite has to make it, where it is not there.
UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)


class SqliteFile(Database):
    """A file.

    Args:
        path: What error messages name, without its folder.
        url: How SQLite opens it.
        configure: Told of each connection that is made.
    """

    def __init__(self, path: Path, url: sa.URL, configure: Callable[[Any, object], None]) -> None:
        """Open nothing yet."""
        engine = sa.create_engine(url, connect_args={"isolation_level": None})
        sa.event.listen(engine, "connect", self._wait)
        sa.event.listen(engine, "connect", configure)
        sa.event.listen(engine, "begin", _begin)
        super().__init__(path.name, engine)

    def _wait(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
        # Another program's transaction is waited for; only a long one is shown as an error.
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * self.wait_s)}")

    @property
    def remedy(self) -> str:
        """What to do where it cannot be written."""
        return "check that the study's folder is writable and its disk not full"

    def lock(self, connection: sa.Connection) -> None:
        """Nothing: the transaction began with the lock."""

    def is_first_schema(self, connection: sa.Connection) -> bool:
        """True where the file says so of itself."""
        return bool(connection.scalar(sa.text("PRAGMA user_version")) == _FIRST_SCHEMA)

    def damage(self, connection: sa.Connection) -> str:
        """What SQLite finds when it looks at every page."""
        found = str(connection.scalar(sa.text("PRAGMA integrity_check(1)")))
        return "" if found == "ok" else found

    def is_wait(self, error: BaseException) -> bool:
        """True for SQLITE_BUSY and SQLITE_LOCKED."""
        return sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def is_damage(self, error: BaseException) -> bool:
        """True for what SQLite calls corrupt or no database."""
        return sqlite_code(error) in _UNUSABLE

    def is_unwritable(self, error: BaseException) -> bool:
        """True where SQLite may not write, or not make the log beside the file."""
        return sqlite_code(error) in UNWRITABLE


def sqlite_code(error: BaseException) -> int:
    """SQLite's primary code of an error; 0 where it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _begin(connection: sa.Connection) -> None:
    # Reading first and writing later in one transaction would deadlock two writers.
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
