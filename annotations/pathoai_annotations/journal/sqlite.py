"""A journal in one SQLite file that several programs may write at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from pathoai_annotations.journal.database import WAIT_FOR_OTHERS_S
from pathoai_annotations.journal.sqlite_file import CACHE, SqliteFile, sqlite_code

_PAUSE_S = 0.01
_NEXT_PAUSE_S = 0.002
_WITH_REVISIONS = 2
"""``user_version`` of files that hold a revision; pathoai 0.1 takes it for a newer program's."""


class SqliteDatabase(SqliteFile):
    """A file, with a write-ahead log beside it.

    Args:
        path: The file; made on first use.
    """

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        super().__init__(path, sa.URL.create("sqlite", database=str(path)), _configure)
        self._path = path
        self._next = FileLock(path.with_name(f".{path.name}.lock"))

    @contextmanager
    def turn(self) -> Iterator[sa.Connection]:
        """See `Database.turn`.

        SQLite gives turns in no order, and a program that writes without pause would keep all
        others out. So whoever wants to write first becomes the next one, which only one can be, and
        stays it until its transaction begins: who has just written queues behind.
        """
        with ExitStack() as transaction:
            with self._being_next():
                connection = transaction.enter_context(self._engine.begin())
            yield connection

    @contextmanager
    def _being_next(self) -> Iterator[None]:
        try:
            self._next.acquire(self.wait_s, poll_interval=_NEXT_PAUSE_S)
        except Timeout as error:
            raise self.waited_in_vain() from error
        except OSError as error:
            raise self.unusable(error.strerror or type(error).__name__) from error
        try:
            yield
        finally:
            # The lock's file stays: removing it would let two be the next one.
            self._next.release()

    def scrub(self) -> None:
        """Write the file anew, and empty the log beside it."""
        self.close()  # a connection that is kept for later would hold pages
        # Outside of any transaction, which SQLAlchemy would begin.
        with (
            self.errors(),
            closing(
                sqlite3.connect(self._path, timeout=WAIT_FOR_OTHERS_S, isolation_level=None)
            ) as bare,
        ):
            for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM"):
                bare.execute(statement)
            bare.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def note_schema(self, connection: sa.Connection) -> None:
        """Number the file, so that a program of the first schema refuses it."""
        connection.execute(sa.text(f"PRAGMA user_version = {_WITH_REVISIONS}"))


def _configure(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own class
    cursor = connection.cursor()
    # Readers never wait for the writer; FULL keeps a committed edit through a power cut.
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(CACHE)
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    # SQLite waits for others before a transaction, but not before a change of mode.
    deadline = time.monotonic() + WAIT_FOR_OTHERS_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = sqlite_code(error) == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
